//! What the stages behind the exchange cost, each beside putting the exchange together, with what it may
//! cost at most; all of it at once, as `eaves run` does it; and what a body costs by its form and length.
//!
//! `cargo bench -p eaves --bench all -- host`. Ratios are within this run.

use std::hint::black_box;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bodies;
use crate::measure::{Bench, Cost, allocations};
use crate::traffic::{Kind, Traffic, attacked, usual};
use eaves::capture::{Origin, Source};
use eaves::catalog::Catalog;
use eaves::clock::{BootTime, Moment, WallTime};
use eaves::config::{Bodies, Config};
use eaves::content::Parts;
use eaves::detect::score::Scorer;
use eaves::detect::{self, Detectors, Facts};
use eaves::enrich::{Enrich, Identity};
use eaves::event::{ApiEvent, write_line};
use eaves::exchange::Exchange;
use eaves::journal::{Journal, KeyPlace, Keys, Options, RealDisk, Record, RecordKind, Worth};
use eaves::keyed::HashKey;
use eaves::pipeline::{self, Detect, Host, Keep, Outcome, Requests, Shard, ShardOptions};
use eaves::redact::{Marker, Masked, Redactor, SealContext, seal};
use rustix::time::{ClockId, clock_gettime};

/// Exchanges that go through one room after the other.
const BATCH: u64 = 250;

/// How long a mix is measured.
const TIME: Duration = Duration::from_millis(1200);

/// Exchanges of one run of the whole.
const WHOLE: u64 = 10_000;

/// Runs of the whole, of which the best counts.
const RUNS: usize = 3;

/// Of which kind the exchange of a number is.
type Mix = fn(u64) -> Kind;

/// The rooms in the order of the way.
const ROOMS: [(&str, Option<f64>); 10] = [
    ("records to exchanges", None),
    ("content: values taken apart", None),
    ("redact: taken apart and marked", None),
    ("detect: taken apart and scored", None),
    ("enrich: who, and for what", None),
    ("catalog: the endpoint's row", None),
    ("redact: masks and seal", None),
    ("detect: families", None),
    ("event: JSON", None),
    ("journal: append", None),
];

pub(crate) fn main() {
    let dir = std::env::temp_dir().join(format!("eaves-bench-host-{}", std::process::id()));
    let mixes: [(&str, Mix); 3] = [
        ("GET", |_| Kind::Get),
        ("usual", usual),
        ("5 % attacks", attacked),
    ];
    let mut bench: Option<Bench> = None;
    for (name, kind) in mixes {
        let costs = Rooms::new(&dir).measure(kind);
        let [exchanges, ..] = costs;
        let bench =
            bench.get_or_insert_with(|| Bench::against("a GET, records to exchanges", exchanges));
        for ((room, ns), cost) in ROOMS.into_iter().zip(costs) {
            goal(bench, &format!("{name}: {room}"), ns, || cost);
        }
        let of = |room: usize| costs.get(room).copied().unwrap_or(Cost::NOTHING);
        let sum = |rooms: &[usize]| {
            rooms
                .iter()
                .map(|room| of(*room))
                .fold(Cost::NOTHING, Cost::and)
        };
        let apart = |cost: Cost| Cost {
            ns: cost.ns - of(1).ns,
            allocations: cost.allocations - of(1).allocations,
        };
        // Values are taken apart once for those who read them.
        let all = apart(sum(&[0, 2, 3, 4, 5, 6, 7, 8, 9]));
        let sums = [
            ("content and marks", marked_ns(kind), of(2)),
            ("content and all detectors", 10_000.0, sum(&[3, 7])),
            ("all rooms", 10_000.0, all),
        ];
        for (what, ns, cost) in sums {
            goal(bench, &format!("{name}: {what}"), Some(ns), || cost);
        }
        let run = || whole(&dir, kind);
        goal(
            bench,
            &format!("{name}: as eaves run, CPU of all"),
            Some(10_000.0),
            run,
        );
    }
    if let Some(bench) = &bench {
        bodies::rows(bench, context().redactor());
    }
    let _ = std::fs::remove_dir_all(&dir);
}

/// Nanoseconds that contents and all detectors take for an exchange, 95 % plain and 5 % attacks.
pub(crate) fn all_detectors_ns() -> f64 {
    let dir = std::env::temp_dir().join(format!("eaves-bench-detect-{}", std::process::id()));
    let costs = Rooms::new(&dir).measure(attacked);
    let _ = std::fs::remove_dir_all(&dir);
    [3, 7]
        .iter()
        .filter_map(|room: &usize| costs.get(*room))
        .map(|cost| cost.ns)
        .sum()
}

/// What marking an exchange may cost: a microsecond, and five nanoseconds for each byte of a body.
fn marked_ns(kind: Mix) -> f64 {
    let body = |message: &[u8]| {
        let head = memchr::memmem::find(message, b"\r\n\r\n").map_or(0, |at| at + 4);
        (message.len() - head) as f64
    };
    let bytes: f64 = (0..BATCH)
        .map(|n| kind(n).messages(n))
        .map(|(request, response)| body(&request) + body(&response))
        .sum();
    (1_000.0 + 5.0 * bytes / BATCH as f64).round()
}

/// A line of what was measured, and what it should be at most, in nanoseconds.
fn goal(bench: &Bench, name: &str, ns: Option<f64>, measure: impl FnOnce() -> Cost) {
    match ns {
        Some(ns) => bench.step(&format!("{name} (goal {ns})"), measure),
        None => bench.step(name, measure),
    }
}

/// One of each room.
struct Rooms {
    traffic: Traffic,
    shard: Shard,
    redactor: Arc<Redactor>,
    memory: Parts<'static>,
    marker: Marker,
    scorer: Scorer,
    enrich: Enrich,
    catalog: Catalog,
    context: SealContext,
    detectors: Detectors,
    journal: Journal,
}

impl Rooms {
    fn new(dir: &Path) -> Self {
        let context = context();
        let ids = context.ids().clone();
        let dir = fresh(dir);
        Self {
            traffic: Traffic::new(),
            shard: Shard::new(&ShardOptions::default()),
            redactor: Arc::clone(context.redactor()),
            memory: Parts::new(),
            marker: Marker::new(),
            scorer: Scorer::new().expect("the grammars"),
            enrich: Enrich::new(Identity::default(), HashKey::new(b"key")),
            catalog: Catalog::default(),
            context,
            detectors: Detectors::new(detect::Options::default(), ids),
            journal: journal(&dir),
        }
    }

    /// Nanoseconds of each room for one exchange, the least of all batches, and allocations.
    fn measure(mut self, kind: Mix) -> [Cost; ROOMS.len()] {
        let mut best = [Cost {
            ns: f64::INFINITY,
            allocations: 0.0,
        }; ROOMS.len()];
        let begun = Instant::now();
        while begun.elapsed() < TIME {
            let records = self.traffic.records(BATCH, kind);
            for (best, cost) in best.iter_mut().zip(self.batch(&records)) {
                best.ns = best.ns.min(cost.ns);
                best.allocations = cost.allocations;
            }
        }
        self.journal.close(Moment::now());
        best
    }

    fn batch(&mut self, records: &[Vec<u8>]) -> Vec<Cost> {
        let mut costs = Vec::with_capacity(ROOMS.len());
        let mut out = Outcome::default();
        let (shard, boot) = (&mut self.shard, self.context.boot());
        costs.push(each(|| {
            records
                .iter()
                .for_each(|record| shard.push(record, &mut out))
        }));
        let mut exchanges = out.exchanges;
        assert_eq!(exchanges.len() as u64, BATCH, "exchanges are missing");
        let mut memory = std::mem::take(&mut self.memory);
        let mut taken = |exchange: &Exchange, read: &mut dyn FnMut(&Parts<'_>)| {
            let parts = exchange.parts(std::mem::take(&mut memory));
            read(&parts);
            memory = parts.recycle();
        };
        costs.push(each(|| {
            for exchange in &exchanges {
                taken(exchange, &mut |parts| drop(black_box(parts.iter())));
            }
        }));
        let mut marks = Vec::with_capacity(exchanges.len());
        costs.push(each(|| {
            for exchange in &exchanges {
                taken(exchange, &mut |parts| {
                    marks.push(self.marker.mark(&self.redactor, parts));
                });
            }
        }));
        let mut scores = Vec::with_capacity(exchanges.len());
        costs.push(each(|| {
            for exchange in &exchanges {
                taken(exchange, &mut |parts| {
                    scores.push(self.scorer.request(exchange, parts, boot));
                });
            }
        }));
        self.memory = memory;
        for ((exchange, marks), scores) in exchanges.iter_mut().zip(marks).zip(scores) {
            exchange.known.marks = Some(marks);
            exchange.known.scores = scores;
        }
        costs.push(each(|| {
            for exchange in &mut exchanges {
                self.enrich.exchange(exchange, boot);
                drop(self.enrich.take_joined());
            }
        }));
        costs.push(each(|| {
            for exchange in &mut exchanges {
                let began = exchange.request.as_ref().map(|half| half.began);
                self.catalog
                    .exchange(exchange, boot.date(began.unwrap_or_default()));
            }
        }));
        self.behind(&exchanges, costs)
    }

    /// What is done once all is known.
    fn behind(&mut self, exchanges: &[Exchange], mut costs: Vec<Cost>) -> Vec<Cost> {
        let mut masked: Vec<Masked> = exchanges.iter().map(|_| Masked::new()).collect();
        // They keep their memory, as the one of the pipeline does.
        for (masked, exchange) in masked.iter_mut().zip(exchanges) {
            masked.fill(exchange, &self.redactor);
        }
        let fill = each(|| {
            for (masked, exchange) in masked.iter_mut().zip(exchanges) {
                masked.fill(exchange, &self.redactor);
            }
        });
        let mut events = Vec::with_capacity(exchanges.len());
        let sealed = each(|| {
            let pairs = exchanges.iter().zip(&masked);
            events.extend(pairs.map(|(exchange, masked)| seal(exchange, masked, &self.context)));
        });
        costs.push(Cost {
            ns: fill.ns + sealed.ns,
            allocations: fill.allocations + sealed.allocations,
        });
        let mut outcome = detect::Outcome::default();
        costs.push(each(|| {
            for (exchange, event) in exchanges.iter().zip(&events) {
                outcome.incidents.clear();
                let facts = Facts::of(exchange, event);
                self.detectors.look(&facts, &mut outcome);
            }
        }));
        events.iter_mut().for_each(without_bodies);
        let (mut lines, mut ends) = (Vec::with_capacity(1 << 20), Vec::new());
        costs.push(each(|| {
            for event in &events {
                write_line(event, &mut lines).expect("it is JSON");
                ends.push(lines.len());
            }
        }));
        let mut start = 0;
        costs.push(each(|| {
            for (event, end) in events.iter().zip(&ends) {
                let line = lines.get(start..*end).unwrap_or_default();
                start = *end;
                self.journal.append(&record(event, line), Moment::now());
            }
        }));
        costs
    }
}

/// The cost of a step over one batch, for one exchange.
fn each(step: impl FnOnce()) -> Cost {
    let (before, start) = (allocations(), Instant::now());
    step();
    Cost {
        ns: start.elapsed().as_nanos() as f64 / BATCH as f64,
        allocations: (allocations() - before) as f64 / BATCH as f64,
    }
}

/// Bodies are kept about findings alone.
fn without_bodies(event: &mut ApiEvent<'_>) {
    if let Some(request) = &mut event.http.request {
        request.body = None;
    }
    if let Some(response) = &mut event.http.response {
        response.body = None;
    }
}

fn record<'a>(event: &ApiEvent<'a>, line: &'a [u8]) -> Record<'a> {
    let response = event.http.response.as_ref();
    Record {
        kind: RecordKind::Exchange,
        severity: None,
        worth: Worth::Common,
        time: event.time,
        line,
        keys: Keys {
            host: b"api.example.com",
            route: event.http.route.unwrap_or_default().as_bytes(),
            client: b"203.0.113.7",
            user: b"user-0042",
            status: response.and_then(|response| response.status_code),
        },
    }
}

fn context() -> SealContext {
    SealContext::new(&Origin {
        host_name: "web-3".into(),
        host_id: "4c4c4544005a4b10".into(),
        boot: BootTime(WallTime(1_795_240_000_000_000_000)),
        run: 7,
    })
}

fn fresh(dir: &Path) -> PathBuf {
    let _ = std::fs::remove_dir_all(dir);
    std::fs::create_dir_all(dir).expect("a folder");
    dir.to_owned()
}

fn journal(dir: &Path) -> Journal {
    let key = KeyPlace {
        credential: None,
        file: dir.join("journal.key"),
    };
    let mut options = Options::new(dir.join("journal"), key);
    options.min_free = 0;
    Journal::open(options, Arc::new(RealDisk), Moment::now()).expect("a journal")
}

/// Records from memory, as many at a time as a ring that is read every few milliseconds holds.
struct Memory(std::vec::IntoIter<Vec<u8>>);

impl Source for Memory {
    fn read(&mut self, _: Duration, each: &mut dyn FnMut(&[u8])) -> io::Result<Option<u64>> {
        let mut count = 0;
        for record in self.0.by_ref().take(128) {
            each(&record);
            count += 1;
        }
        Ok((count > 0).then_some(count))
    }
}

/// Everything at once, as `eaves run` is built by default: CPU of the process for an exchange.
fn whole(dir: &Path, kind: Mix) -> Cost {
    let least = |exchanges: u64| {
        let runs = (0..RUNS).map(|_| run(dir, kind, exchanges));
        let less = |a: Cost, b: Cost| if a.ns < b.ns { a } else { b };
        runs.reduce(less).expect("a run")
    };
    // Grammars are built at the start, which is no exchange's.
    let (start, all) = (least(0), least(WHOLE));
    Cost {
        ns: (all.ns - start.ns) / WHOLE as f64,
        allocations: (all.allocations - start.allocations) / WHOLE as f64,
    }
}

fn run(dir: &Path, kind: Mix, exchanges: u64) -> Cost {
    let dir = fresh(dir);
    let context = context();
    let ids = context.ids().clone();
    let detect = Detect::new(detect::Options::default(), ids, &dir.join("rules"));
    let enrich = Enrich::new(Identity::default(), context.redactor().key().clone());
    let mut host = Host::new(Vec::new(), enrich, &context)
        .keeping(Some(Keep::new(journal(&dir), Bodies::Findings)))
        .learning(Some(&dir.join("journal")))
        .detecting(Some(detect));
    let mut options = pipeline::Options::of(&Config::default()).expect("no file is named");
    options.queue_bytes = u64::MAX;
    let mut source = Memory(Traffic::new().records(exchanges, kind).into_iter());
    let (before, start) = (allocations(), cpu_ns());
    pipeline::run(&mut source, &mut host, &options, &Requests::default()).expect("it runs");
    let ns = cpu_ns() - start;
    let allocations = (allocations() - before) as f64;
    host.close();
    assert_eq!(host.counted().counters.check(), [], "exchanges are missing");
    Cost { ns, allocations }
}

/// CPU time of this process, all threads.
fn cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
