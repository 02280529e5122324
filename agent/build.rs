//! Embeds the kernel object named by `AGENT_EBPF_OBJECT`, or nothing.

fn main() {
    println!("cargo::rerun-if-env-changed=AGENT_EBPF_OBJECT");
    println!("cargo::rustc-check-cfg=cfg(embedded_object)");
    let Some(object) = std::env::var_os("AGENT_EBPF_OBJECT") else {
        return;
    };
    println!("cargo::rerun-if-changed={}", object.display());
    println!("cargo::rustc-env=AGENT_EBPF_OBJECT={}", object.display());
    println!("cargo::rustc-cfg=embedded_object");
}
