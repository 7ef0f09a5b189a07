//! People who read without end, beside one who writes: how soon the writer is answered while others page long
//! conversations, subscribe again and again, or go through lists. Printed as Markdown.
//!
//! The server has the first core, the load the second, where the readers' thread has the lowest priority, so that a late
//! answer is the server's. A reader who is refused asks again at once.

mod crowd;
mod scene;

use std::time::{Duration, Instant};

use anyhow::bail;

use crate::latency::{Latencies, Percentiles};
use crate::{bench, on_runtime};

use crowd::{Counts, Crowd};
use scene::{Scene, Wish};

/// Of the honest visitor, between an answer and the next post.
const THINK: Duration = Duration::from_millis(10);
/// So long the readers read before it counts: what they may read at once is used up where there are few of them.
const WARM_UP: Duration = Duration::from_secs(1);
/// Until each may read as much at once as in the beginning.
const PAUSE: Duration = Duration::from_secs(9);

/// How much of it.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Plan {
    /// How long each crowd reads
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Only the crowds whose name has these words in it
    #[arg(long)]
    only: Option<String>,
}

/// How soon the honest visitor was answered.
#[derive(Default)]
struct Honest {
    posts: Latencies,
    reads: Latencies,
}

/// What was measured of a crowd.
struct Row {
    name: &'static str,
    seconds: f64,
    posts: Percentiles,
    reads: Percentiles,
    counts: Counts,
    server_cores: f64,
    load_cores: f64,
}

/// Measures everything, and gives the page.
pub(crate) fn readers(plan: &Plan) -> anyhow::Result<String> {
    if plan.seconds == 0 {
        bail!("the seconds must not be 0");
    }
    bench::stay_on_core()?;
    driver::process::raise_file_limit()?;
    let scene = on_runtime(Scene::set())?;
    let mut page = String::from(
        "| readers | a post p50 / p99, ms | a short read p50 / p99, ms | answers/s | refused/s | MB/s | cores: server, load |\n\
         |---|---:|---:|---:|---:|---:|---|\n",
    );
    for wish in scene.wishes() {
        if plan.only.as_ref().is_some_and(|only| !wish.name.contains(only.as_str())) {
            continue;
        }
        let row = row(&measure(&scene, wish, plan.seconds)?);
        eprint!("{row}");
        page += &row;
        std::thread::sleep(PAUSE);
    }
    let files = on_runtime(scene.files())?;
    Ok(page + &files)
}

fn measure(scene: &Scene, wish: Wish, seconds: u64) -> anyhow::Result<Row> {
    let name = wish.name;
    let crowd = Crowd::start(scene.address(), wish)?;
    std::thread::sleep(WARM_UP);
    let before = (scene.cpu()?, driver::process::own_cpu(), crowd.counts());
    let begun = Instant::now();
    let honest = talk(scene, seconds)?;
    // The last answer may have come late.
    let seconds = begun.elapsed().as_secs_f64();
    let after = (scene.cpu()?, driver::process::own_cpu(), crowd.counts());
    crowd.stop()?;
    let cores = |after: Duration, before: Duration| (after - before).as_secs_f64() / seconds;
    Ok(Row {
        name,
        seconds,
        posts: honest.posts.percentiles(),
        reads: honest.reads.percentiles(),
        counts: after.2.since(before.2),
        server_cores: cores(after.0, before.0),
        load_cores: cores(after.1, before.1),
    })
}

/// Has the honest visitor post, read what is new, pause, and so on, for so long.
fn talk(scene: &Scene, seconds: u64) -> anyhow::Result<Honest> {
    let (mut wire, conversation) = scene.honest()?;
    let (posted, read) =
        (format!("{conversation}/messages"), format!("{conversation}/events?before=10&limit=5"));
    let mut honest = Honest::default();
    let begun = Instant::now();
    while begun.elapsed().as_secs() < seconds {
        std::thread::sleep(THINK);
        let body = format!(r#"{{"client_id":"{}","text":"Is anybody there?"}}"#, uuid::Uuid::new_v4());
        let sent = Instant::now();
        expect(201, wire.post(&posted, &body)?)?;
        honest.posts.add(sent.elapsed());
        let sent = Instant::now();
        expect(200, wire.get(&read)?)?;
        honest.reads.add(sent.elapsed());
    }
    Ok(honest)
}

fn expect(expected: u16, (status, answer): (u16, &[u8])) -> anyhow::Result<()> {
    if status != expected {
        bail!("the honest visitor was refused: {status} {}", String::from_utf8_lossy(answer));
    }
    Ok(())
}

fn row(row: &Row) -> String {
    let Row { name, seconds, posts, reads, counts, server_cores, load_cores } = row;
    let ms = |us: u32| f64::from(us) / 1e3;
    let per_s = |count: u64| count as f64 / seconds;
    format!(
        "| {name} | {:.2} / {:.2} | {:.2} / {:.2} | {:.0} | {:.0} | {:.1} | {server_cores:.2}, {load_cores:.2} |\n",
        ms(posts.p50_us),
        ms(posts.p99_us),
        ms(reads.p50_us),
        ms(reads.p99_us),
        per_s(counts.answers),
        per_s(counts.refused),
        per_s(counts.bytes) / 1e6,
    )
}
