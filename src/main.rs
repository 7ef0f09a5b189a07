//! The program: reads the command line, runs one command, and ends with its exit code.

use std::fs::Permissions;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use switchboard::cli::{Cli, CliError, Command, DemoArgs, Ready, ServeArgs, aside, welcome};
use switchboard::config::Config;
use switchboard::http::documents::openapi;
use switchboard::server::{Server, ServerError};
use switchboard::{simulate, telemetry};

/// A tenth less CPU a message than with the system's allocator, and memory is given back after a rush.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Threads for work that blocks: files, password hashes. What an upload does there is short, and each thread keeps memory of its
/// own for as long as it lives.
const BLOCKING_THREADS_MAX: usize = 64;

/// The allocator asks for huge pages, and each thread that touches a few kilobytes of its own then takes two megabytes: a dozen
/// uploads at once took 60 MB more, and messages are no faster for it (docs/performance.md).
fn decline_huge_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        eprintln!("switchboard: huge pages stay as the system has them: {error}");
    }
}

fn main() -> ExitCode {
    decline_huge_pages();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            // Nothing can be logged without it.
            aside(format_args!("switchboard: no threads to run on: {error}"));
            return ExitCode::from(1);
        }
    };
    match runtime.block_on(run(Cli::parse().command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            aside(format_args!("switchboard: {}", failure.message));
            ExitCode::from(failure.exit_code)
        }
    }
}

/// Why the program ends with another code than 0.
struct Failure {
    exit_code: u8,
    message: String,
}

impl From<CliError> for Failure {
    fn from(error: CliError) -> Self {
        Self { exit_code: error.exit_code(), message: error.to_string() }
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        Self { exit_code: error.exit_code(), message: error.to_string() }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { exit_code: 1, message: error.to_string() }
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(args) => demo(args).await,
        Command::Serve(args) => serve(args).await,
        Command::Openapi => Ok(print(&openapi::text(&Config::default()))?),
        Command::Tool(tool) => match tool.run().await {
            Ok(text) => Ok(print(&text)?),
            Err(error) => {
                // What was found is the command's output, also when some of it is bad.
                if let CliError::Unwell { report, .. } = &error {
                    print(report.trim_end())?;
                }
                Err(error.into())
            }
        },
    }
}

async fn serve(args: ServeArgs) -> Result<(), Failure> {
    let ready_json = args.ready_json;
    let config = args.load().map_err(CliError::from)?;
    start_log(&config);
    let server = Server::start(config).await?;
    if ready_json {
        print(&Ready { url: &server.url, pid: std::process::id(), demo: None }.to_line())?;
    }
    Ok(server.run().await?)
}

async fn demo(mut args: DemoArgs) -> Result<(), Failure> {
    let (ready_json, visitors) = (args.ready_json, args.visitors);
    // Removed when it is dropped, after the server has closed the store in it.
    let ephemeral = if args.ephemeral { Some(private_folder()?) } else { None };
    if let Some(folder) = &ephemeral {
        args.data = Some(folder.path().to_owned());
    }
    let config = args.load().map_err(CliError::from)?;
    start_log(&config);
    let data_dir = config.data_dir.clone();
    let (server, demo) = Server::start_demo(config).await?;
    if ready_json {
        print(&Ready { url: &server.url, pid: std::process::id(), demo: Some(&demo) }.to_line())?;
    } else {
        let kept = ephemeral.is_none().then_some(data_dir.as_path());
        print(&welcome(&server.url, &demo, kept, io::stdout().is_terminal()))?;
    }
    let visiting = simulate::visitors(&server.url, &demo, visitors);
    let served = server.run().await;
    drop(visiting);
    Ok(served?)
}

/// Nobody else on the machine looks into it.
fn private_folder() -> std::io::Result<tempfile::TempDir> {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir()
}

fn start_log(config: &Config) {
    // It is started once, here.
    let throttle = telemetry::start(&config.log).expect("nobody else starts the log");
    tokio::spawn(throttle.report());
}

/// A reader such as `head` that has seen enough is no failure.
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}
