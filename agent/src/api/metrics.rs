//! `/metrics`: what is counted, as OpenMetrics text.

use std::fmt;
use std::time::Instant;

use eaves_common::{Counter as Kernel, DropReason};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::Subject;
use super::answer::{About, of_kind};
use super::figures::{Usage, bytes_in};
use crate::config::Limits;
use crate::pipeline::{RoomHealth, RoomState, SinkStanding, Standing};
use crate::probe::Held;
use crate::telemetry::Counter;

/// What a sink's standing says as a number.
type Figure = fn(&SinkStanding) -> f64;

/// The media type of OpenMetrics 1.0.
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Where the counters are explained.
const HELP: &str = "See docs/metrics.md";

/// All that is told.
#[derive(Debug)]
struct Told {
    about: About,
    standing: Standing,
    rooms: Vec<RoomHealth>,
    hears: bool,
    usage: Usage,
    limits: Limits,
    held: Held,
    journal_bytes: Option<u64>,
    sinks: Vec<SinkStanding>,
}

/// The metrics of `subject`, now.
pub(super) fn answer(subject: &Subject) -> Response<Full<Bytes>> {
    let standing = Standing::clone(&subject.board.standing());
    let now = Instant::now();
    let told = Told {
        about: subject.about.clone(),
        rooms: standing.rooms(now),
        hears: standing.hears(now),
        standing,
        usage: Usage::now(),
        limits: subject.config.limits.clone(),
        held: Held::now(),
        journal_bytes: subject.dir.as_deref().map(bytes_in),
        sinks: subject.sinks(),
    };
    match told.text() {
        Ok(out) => of_kind(StatusCode::OK, MEDIA_TYPE, out.into_bytes()),
        Err(fmt::Error) => of_kind(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", Vec::new()),
    }
}

impl Collector for Told {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.agent(&mut encoder)?;
        self.counters(&mut encoder)?;
        self.health(&mut encoder)?;
        self.sinks(&mut encoder)
    }
}

impl Told {
    /// All of it as OpenMetrics.
    fn text(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut out = String::new();
        text::encode(&mut out, &registry)?;
        Ok(out)
    }

    fn agent(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let About {
            version,
            tap,
            kernel,
            ..
        } = &self.about;
        let labels = [("version", version), ("tap", tap), ("kernel", kernel)];
        let labels = labels.map(|(name, value)| (name, value.as_str()));
        family(
            to,
            "eaves_build_info",
            "Which agent this is",
            [(labels, 1.0)],
        )?;
        let started = self.about.started.0 as f64 / 1e9;
        let usage = &self.usage;
        counter(to, "process_cpu_seconds", "Processor time", usage.cpu_s)?;
        for (name, help, value) in [
            (
                "process_start_time_seconds",
                "When it began, since 1970",
                started,
            ),
            (
                "process_resident_memory_bytes",
                "Resident memory",
                usage.resident_bytes as f64,
            ),
            ("process_open_fds", "Open files", usage.open_files as f64),
            (
                "eaves_connections",
                "Connections it follows",
                self.standing.counted.conns as f64,
            ),
            (
                "eaves_held_bytes",
                "Bytes held for them",
                self.standing.counted.held_bytes as f64,
            ),
        ] {
            gauge(to, name, help, value)?;
        }
        self.limits(to)?;
        self.kernel_side(to)?;
        let parts = self.standing.detectors.iter();
        let parts = parts.map(|(part, bytes)| ([("part", *part)], *bytes as f64));
        family(
            to,
            "eaves_detector_state_bytes",
            "Bytes of what detectors have learnt, as kept last",
            parts,
        )?;
        if let Some(bytes) = self.journal_bytes {
            gauge(
                to,
                "eaves_journal_size_bytes",
                "Journal on disk",
                bytes as f64,
            )?;
        }
        Ok(())
    }

    /// What it may use, and in the same measure what it does.
    fn limits(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let used = self.usage.anonymous_bytes.saturating_add(self.held.bytes);
        gauge(
            to,
            "eaves_memory_bytes",
            "Memory held against limits.memory: its own and that in the kernel",
            used as f64,
        )?;
        gauge(
            to,
            "eaves_memory_limit_bytes",
            "limits.memory",
            self.limits.memory.bytes() as f64,
        )?;
        let cores = f64::from(self.limits.cpu.thousandths()) / 1e3;
        gauge(to, "eaves_cpu_limit_cores", "limits.cpu", cores)
    }

    /// What the agent has in the kernel.
    fn kernel_side(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Held {
            bytes,
            run_ns,
            runs,
        } = self.held;
        gauge(
            to,
            "eaves_kernel_memory_bytes",
            "Memory of its maps, programs and the ring in the kernel",
            bytes as f64,
        )?;
        if runs > 0 {
            let seconds = run_ns as f64 / 1e9;
            let name = "eaves_kernel_programs_run_seconds";
            counter(to, name, "Time its kernel programs ran", seconds)?;
            let name = "eaves_kernel_programs_runs";
            counter(to, name, "Times its kernel programs ran", runs as f64)?;
        }
        let Some(ring) = self.standing.counted.ring else {
            return Ok(());
        };
        gauge(
            to,
            "eaves_ring_size_bytes",
            "Size of the ring between kernel and agent",
            ring.size_bytes as f64,
        )?;
        gauge(
            to,
            "eaves_ring_fill_bytes",
            "Most that was found in it at once, in the last second",
            ring.most_bytes as f64,
        )
    }

    fn counters(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let counted = &self.standing.counted;
        if let Some(kernel) = &counted.kernel {
            for each in Kernel::ALL {
                let name = format!("eaves_kernel_{}", each.name());
                counter(to, &name, HELP, kernel.get(each) as f64)?;
            }
            let dropped = DropReason::ALL.iter().map(|reason| {
                let count = kernel.dropped(*reason) as f64;
                ([("reason", reason.name())], count)
            });
            let mut of =
                to.encode_descriptor("eaves_kernel_dropped", HELP, None, MetricType::Counter)?;
            for (labels, count) in dropped {
                ConstCounter::new(count).encode(of.encode_family(&labels)?)?;
            }
        }
        for each in Counter::ALL {
            let name = format!("eaves_{}_{}", each.stage(), each.name());
            counter(to, &name, HELP, counted.counters.get(*each) as f64)?;
        }
        Ok(())
    }

    fn health(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let hears = f64::from(u8::from(self.hears));
        gauge(
            to,
            "eaves_hears",
            "1 while the taps are at work and all behind them",
            hears,
        )?;
        let reloaded = self.standing.reloaded.unwrap_or(self.about.started);
        gauge(
            to,
            "eaves_config_last_reload_successful",
            "0 while the configuration that was read last is refused",
            f64::from(u8::from(!self.standing.is_refused())),
        )?;
        gauge(
            to,
            "eaves_config_last_reload_success_timestamp_seconds",
            "When the configuration in force was read, since 1970",
            reloaded.0 as f64 / 1e9,
        )?;
        let rooms = self.rooms.iter().map(|room| {
            let state = match room.state {
                RoomState::Ok => 0.0,
                RoomState::Degraded => 1.0,
                RoomState::Failed => 2.0,
            };
            ([("room", room.room.as_str())], state)
        });
        family(
            to,
            "eaves_room_state",
            "0 well, 1 degraded, 2 failed",
            rooms,
        )
    }

    fn sinks(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let figures: [(_, _, Figure); 4] = [
            ("eaves_sink_lag_events", "Events it has not got", |sink| {
                sink.lag_events as f64
            }),
            (
                "eaves_sink_lag_seconds",
                "Age of the oldest of them",
                |sink| sink.lag_s as f64,
            ),
            (
                "eaves_sink_dead_letters",
                "Events it refused for good",
                |sink| sink.dead_letters as f64,
            ),
            ("eaves_sink_failing", "1 while it fails", |sink| {
                f64::from(u8::from(sink.failing))
            }),
        ];
        for (name, help, figure) in figures {
            let each = self.sinks.iter();
            let each = each.map(|sink| ([("sink", sink.sink.as_str())], figure(sink)));
            family(to, name, help, each)?;
        }
        Ok(())
    }
}

fn counter(to: &mut DescriptorEncoder<'_>, name: &str, help: &str, count: f64) -> fmt::Result {
    let of = to.encode_descriptor(name, help, None::<&Unit>, MetricType::Counter)?;
    ConstCounter::new(count).encode(of)
}

fn gauge(to: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    let of = to.encode_descriptor(name, help, None::<&Unit>, MetricType::Gauge)?;
    ConstGauge::new(value).encode(of)
}

/// One gauge for each set of labels.
fn family<'l, const N: usize>(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    each: impl IntoIterator<Item = ([(&'l str, &'l str); N], f64)>,
) -> fmt::Result {
    let mut of = to.encode_descriptor(name, help, None::<&Unit>, MetricType::Gauge)?;
    for (labels, value) in each {
        ConstGauge::new(value).encode(of.encode_family(&labels)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
