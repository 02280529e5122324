//! The `eaves` command.

fn main() -> eaves::cli::Exit {
    eaves::cli::main()
}
