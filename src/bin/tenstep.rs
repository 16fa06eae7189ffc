fn main() -> std::process::ExitCode {
    tenstep::cli::main()
}
