//! Tests that need root and BTF: the real agent hears real servers and clients, under both taps.
//!
//! They run one after the other: each loads kernel programs and drives both ends of its traffic.
//! `cargo test -p eaves-tests --test kernel -- FILTER` picks some by name.
#![cfg(test)]

mod asyncio;
mod attacks;
mod bounds;
mod budget;
mod container;
mod discovery;
mod doctor;
mod drops;
mod gnutls;
mod go_tls;
mod handshake;
mod http2;
mod https;
mod identity;
mod kernel_log;
mod lasting;
mod lifecycle;
#[cfg(target_arch = "x86_64")]
mod made;
mod memory;
mod place;
mod plaintext;
mod privileges;
mod quic;
mod records;
mod reload;
mod rustls;
mod servers;
mod service;
mod sinks;
mod tls;
mod tools;
mod unheard;
mod untouched;
mod websocket;

fn main() {
    let mut arguments = libtest_mimic::Arguments::from_args();
    arguments.test_threads.get_or_insert(1);
    let trials = [
        plaintext::trials(),
        doctor::trials(),
        servers::trials(),
        service::trials(),
        reload::trials(),
        privileges::trials(),
        sinks::trials(),
        tls::trials(),
        gnutls::trials(),
        discovery::trials(),
        go_tls::trials(),
        handshake::trials(),
        rustls::trials(),
        memory::trials(),
        lifecycle::trials(),
        drops::trials(),
        records::trials(),
        bounds::trials(),
        budget::trials(),
        kernel_log::trials(),
        attacks::trials(),
        tools::trials(),
        unheard::trials(),
        untouched::trials(),
        place::trials(),
        container::trials(),
        identity::trials(),
        websocket::trials(),
        quic::trials(),
        http2::trials(),
        asyncio::trials(),
        lasting::trials(),
    ];
    let trials = trials.into_iter().flatten().collect();
    libtest_mimic::run(&arguments, trials).exit();
}
