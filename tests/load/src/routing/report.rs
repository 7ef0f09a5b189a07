//! The page: one table each.

use std::fmt::Write;
use std::time::Duration;

use super::Figures;
use super::{Assignments, FanOut, Offers, Sweep};
use crate::latency::Percentiles;

/// All of it in Markdown.
pub(super) fn page(figures: &Figures) -> String {
    let mut page = String::new();
    // A String takes every write.
    let _ = write(&mut page, figures);
    page
}

fn write(page: &mut String, figures: &Figures) -> std::fmt::Result {
    let Figures { assignments, offers, sweep, fan_out } = figures;
    let Assignments { agents, waiting, took, server_cpu } = assignments;
    let each_us = server_cpu.as_secs_f64() * 1e6 / *waiting as f64;
    writeln!(page, "\n### Assignments (mode auto, all wait already)\n")?;
    writeln!(page, "| agents | waiting | assignments/s | all assigned after, ms | server CPU, us each |")?;
    writeln!(page, "|---:|---:|---:|---:|---:|")?;
    let per_s = *waiting as f64 / took.as_secs_f64();
    writeln!(page, "| {agents} | {waiting} | {per_s:.0} | {} | {each_us:.0} |", ms(*took))?;

    let Offers { agents, per_s, count, after_answer, after_request } = offers;
    writeln!(page, "\n### From queued to offered (mode offer, the agents on sockets)\n")?;
    writeln!(
        page,
        "| agents | starts/s | offers | from the visitor's 201 p50 / p99, ms | from the agent's request p50 / p99, ms |"
    )?;
    writeln!(page, "|---:|---:|---:|---:|---:|")?;
    let (answer, request) = (latencies(*after_answer), latencies(*after_request));
    writeln!(page, "| {agents} | {per_s:.0} | {count} | {answer} | {request} |")?;

    let Sweep { open, alive, idle_empty, idle, sweep_cpu, took } = sweep;
    let memory = if *alive { "in memory" } else { "not in memory" };
    writeln!(page, "\n### A sweep, once in 30 s\n")?;
    writeln!(
        page,
        "| open conversations | it takes, ms | its CPU, ms | of a core | idle CPU, ms a second | the same without conversations |"
    )?;
    writeln!(page, "|---|---:|---:|---:|---:|---:|")?;
    let (took, cpu, idle, empty) = (ms(*took), ms(*sweep_cpu), ms(*idle), ms(*idle_empty));
    let share = sweep_cpu.as_secs_f64() / 30.0 * 100.0;
    writeln!(page, "| {open}, {memory} | {took} | {cpu} | {share:.2} % | {idle} | {empty} |")?;

    let FanOut { sockets, acknowledged, last, messages_per_s, server_cpu_us_per_event, .. } = fan_out;
    writeln!(page, "\n### Events of one conversation to many sockets\n")?;
    writeln!(
        page,
        "| sockets | acknowledged p50 / p99, ms | the last socket has it p50 / p99, ms | messages/s | events/s | server CPU, us an event | cores: server, load |"
    )?;
    writeln!(page, "|---:|---:|---:|---:|---:|---:|---|")?;
    writeln!(
        page,
        "| {sockets} | {} | {} | {messages_per_s:.0} | {:.0} | {server_cpu_us_per_event:.1} | {:.2}, {:.2} |",
        latencies(*acknowledged),
        latencies(*last),
        messages_per_s * *sockets as f64,
        fan_out.server_cores,
        fan_out.load_cores,
    )
}

fn ms(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1e3)
}

fn latencies(Percentiles { p50_us, p99_us, .. }: Percentiles) -> String {
    [p50_us, p99_us].map(|us| format!("{:.2}", f64::from(us) / 1e3)).join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_stands_in_its_table() {
        let percentiles = Percentiles { p50_us: 1_500, p99_us: 9_000, p999_us: 0, max_us: 0 };
        let millis = Duration::from_millis;
        let page = page(&Figures {
            assignments: Assignments {
                agents: 100,
                waiting: 1_000,
                took: millis(500),
                server_cpu: millis(400),
            },
            offers: Offers {
                agents: 20,
                per_s: 100.0,
                count: 500,
                after_answer: percentiles,
                after_request: percentiles,
            },
            sweep: Sweep {
                open: 10_000,
                alive: false,
                idle_empty: millis(1),
                idle: millis(2),
                sweep_cpu: millis(300),
                took: millis(250),
            },
            fan_out: FanOut {
                sockets: 1_000,
                acknowledged: percentiles,
                last: percentiles,
                messages_per_s: 90.0,
                server_cpu_us_per_event: 8.0,
                server_cores: 0.7,
                load_cores: 0.9,
            },
        });
        for line in [
            "| 100 | 1000 | 2000 | 500.0 | 400 |",
            "| 20 | 100 | 500 | 1.50 / 9.00 | 1.50 / 9.00 |",
            "| 10000, not in memory | 250.0 | 300.0 | 1.00 % | 2.0 | 1.0 |",
            "| 1000 | 1.50 / 9.00 | 1.50 / 9.00 | 90 | 90000 | 8.0 | 0.70, 0.90 |",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }
}
