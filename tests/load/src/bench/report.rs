//! The page: tables, then the aims, each met or missed.

use std::fmt::Write;

use super::{Cold, Figures, HALF, Idle, Measured};
use crate::latency::Percentiles;
use crate::run::Report;

/// The aims, as the project set them.
const THROUGHPUT_OF_A_MIN: f64 = 0.6;
const P99_OF_A_MAX: f64 = 2.0;
const CPU_OF_A_MAX: f64 = 2.0;
const SOCKET_BYTES_MAX: f64 = 12.0 * 1024.0;
const CONVERSATION_BYTES_MAX: f64 = 12.0 * 1024.0;
/// "None", as far as an allocator's leavings let one tell.
const PASSIVE_BYTES_MAX: f64 = 1024.0;

/// All of it in Markdown.
pub(super) fn page(figures: &Figures) -> String {
    let mut page = String::new();
    // A String takes every write.
    let _ = write(&mut page, figures);
    page
}

/// The same figures of Switchboard on several stores, with what cold conversations cost on each.
pub(super) fn stores(measured: &[Measured], cold_on: &[(&str, Vec<Cold>)]) -> String {
    let mut page = String::new();
    // A String takes every write.
    let _ = steps(&mut page, measured);
    for (name, logs) in cold_on {
        let _ = writeln!(page, "\n#### {name}").and_then(|()| cold(&mut page, logs));
    }
    page
}

fn write(page: &mut String, figures: &Figures) -> std::fmt::Result {
    steps(page, &figures.servers)?;
    idle(page, &figures.idle)?;
    cold(page, &figures.cold)?;
    aims(page, figures)
}

fn steps(page: &mut String, servers: &[Measured]) -> std::fmt::Result {
    writeln!(page, "### As much as each carries (closed loop)\n")?;
    writeln!(page, "{STEP_HEAD}")?;
    for server in servers {
        for report in &server.closed {
            step(page, server.name, &format!("{} visitors", report.visitors), report)?;
        }
    }
    writeln!(page, "\n### At rising rates (open loop, from the moment a message was due)\n")?;
    writeln!(page, "{STEP_HEAD}")?;
    for server in servers {
        for (share, report) in &server.open {
            step(page, server.name, &format!("{share} of its most: {}/s", report.rate), report)?;
        }
    }
    Ok(())
}

const STEP_HEAD: &str = "| server | load | messages/s | acknowledged p50 / p99 / p99.9, ms | at the socket p50 / p99 / p99.9, ms | server CPU, us a message | cores: server, load |
|---|---|---:|---:|---:|---:|---:|";

fn step(page: &mut String, server: &str, load: &str, report: &Report) -> std::fmt::Result {
    let cut = match report.unsent {
        0 => String::new(),
        unsent => format!(" ({unsent} too late to be sent)"),
    };
    writeln!(
        page,
        "| {server} | {load} | {:.0}{cut} | {} | {} | {:.1} | {:.2}, {:.2} |",
        report.messages_per_s,
        latencies(report.acknowledge),
        latencies(report.deliver),
        report.server_cpu_us_per_message.unwrap_or(0.0),
        report.server_cores.unwrap_or(0.0),
        report.load_cores,
    )
}

fn latencies(percentiles: Percentiles) -> String {
    let Percentiles { p50_us, p99_us, p999_us, .. } = percentiles;
    [p50_us, p99_us, p999_us].map(|us| format!("{:.2}", f64::from(us) / 1e3)).join(" / ")
}

fn idle(page: &mut String, idle: &Idle) -> std::fmt::Result {
    writeln!(page, "\n### What the idle cost (the server's resident memory)\n")?;
    writeln!(page, "| | KiB each |\n|---|---:|")?;
    writeln!(page, "| a visitor's socket | {:.1} |", kib(idle.socket))?;
    writeln!(page, "| a live conversation | {:.1} |", kib(idle.conversation))?;
    match idle.passive {
        Some(bytes) => writeln!(page, "| a passivated conversation | {:.1} |", kib(bytes)),
        None => writeln!(page, "| a passivated conversation | not measured |"),
    }
}

fn kib(bytes: i64) -> f64 {
    bytes as f64 / 1024.0
}

fn cold(page: &mut String, cold: &[Cold]) -> std::fmt::Result {
    writeln!(page, "\n### The first message to a conversation that is not in memory\n")?;
    writeln!(page, "| events in its log | conversations | the first, p50 / p99 / p99.9, ms | the second |")?;
    writeln!(page, "|---:|---:|---:|---:|")?;
    for Cold { events, conversations, first, second } in cold {
        let (first, second) = (latencies(*first), latencies(*second));
        writeln!(page, "| {events} | {conversations} | {first} | {second} |")?;
    }
    Ok(())
}

fn aims(page: &mut String, figures: &Figures) -> std::fmt::Result {
    let [ours, a, b] = figures.servers.as_slice() else { return Ok(()) };
    writeln!(page, "\n### The aims\n")?;
    writeln!(page, "| | aim | measured | |\n|---|---|---:|---|")?;
    let most = |server: &Measured| server.saturation().messages_per_s;
    at_least(page, "messages/s, of (a)", THROUGHPUT_OF_A_MIN, most(ours) / most(a))?;
    if let (Some(ours), Some(a)) = (ours.at(HALF), a.at(HALF)) {
        let p99 = |percentiles: Percentiles| f64::from(percentiles.p99_us);
        let acknowledge = p99(ours.acknowledge) / p99(a.acknowledge);
        at_most(page, "p99 acknowledged at half load, of (a)", P99_OF_A_MAX, acknowledge, "")?;
        let deliver = p99(ours.deliver) / p99(a.deliver);
        at_most(page, "p99 at the socket at half load, of (a)", P99_OF_A_MAX, deliver, "")?;
        at_most(page, "CPU a message at half load, of (a)", CPU_OF_A_MAX, cpu(ours) / cpu(a), "")?;
    }
    let most_cpu = cpu(ours.saturation()) / cpu(a.saturation());
    at_most(page, "CPU a message at its most, of (a)", CPU_OF_A_MAX, most_cpu, "")?;
    writeln!(page, "| messages/s, of (b) | known | {:.2} | |", most(ours) / most(b))?;
    let Idle { socket, conversation, passive } = figures.idle;
    at_most(page, "an idle socket", SOCKET_BYTES_MAX / 1024.0, kib(socket), " KiB")?;
    at_most(page, "a live idle conversation", CONVERSATION_BYTES_MAX / 1024.0, kib(conversation), " KiB")?;
    if let Some(passive) = passive {
        at_most(page, "a passivated conversation", PASSIVE_BYTES_MAX / 1024.0, kib(passive), " KiB")?;
    }
    Ok(())
}

fn cpu(report: &Report) -> f64 {
    report.server_cpu_us_per_message.unwrap_or(f64::NAN)
}

fn at_least(page: &mut String, what: &str, aim: f64, measured: f64) -> std::fmt::Result {
    writeln!(page, "| {what} | at least {aim} | {measured:.2} | {} |", verdict(measured >= aim))
}

fn at_most(page: &mut String, what: &str, aim: f64, measured: f64, unit: &str) -> std::fmt::Result {
    writeln!(page, "| {what} | at most {aim}{unit} | {measured:.2}{unit} | {} |", verdict(measured <= aim))
}

/// What was not measured (NaN) is not met.
fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "**missed**" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(messages_per_s: f64, p99_us: u32, cpu: f64) -> Report {
        let latencies = Percentiles { p50_us: 100, p99_us, p999_us: 2_000, max_us: 3_000 };
        Report {
            rate: 0,
            visitors: 64,
            seconds: 1,
            due: None,
            acknowledged: 1,
            delivered: 1,
            refused: 0,
            unsent: 0,
            messages_per_s,
            acknowledge: latencies,
            deliver: latencies,
            server_cpu_us_per_message: Some(cpu),
            server_cores: Some(0.5),
            store_cpu_us_per_message: None,
            load_cores: 0.1,
            first_refusal: None,
        }
    }

    fn measured(name: &'static str, messages_per_s: f64, p99_us: u32, cpu: f64) -> Measured {
        let report = report(messages_per_s, p99_us, cpu);
        Measured { name, closed: vec![report.clone()], open: vec![(HALF, report)] }
    }

    #[test]
    fn an_aim_is_met_or_missed_in_so_many_words() {
        let servers = vec![
            measured("ours", 500.0, 1_500, 90.0),
            measured("(a)", 1_000.0, 1_000, 40.0),
            measured("(b)", 2_000.0, 500, 10.0),
        ];
        let idle = Idle { socket: 12 * 1024, conversation: 12 * 1024 + 103, passive: None };
        let page = page(&Figures { servers, idle, cold: Vec::new() });
        for line in [
            "| messages/s, of (a) | at least 0.6 | 0.50 | **missed** |",
            "| p99 at the socket at half load, of (a) | at most 2 | 1.50 | met |",
            "| CPU a message at its most, of (a) | at most 2 | 2.25 | **missed** |",
            "| messages/s, of (b) | known | 0.25 | |",
            "| an idle socket | at most 12 KiB | 12.00 KiB | met |",
            "| a live idle conversation | at most 12 KiB | 12.10 KiB | **missed** |",
            "| a passivated conversation | not measured |",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }
}
