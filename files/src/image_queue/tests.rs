use tokio::sync::mpsc;

use super::*;

const LARGE: u64 = 40_000_000;
const SMALL: u64 = 100_000;

fn job(n: u8, cost: u64) -> Job<u8> {
    Job { run: Box::new(|| {}), payer: n, cost }
}

/// Whose jobs are done, one after the other, until none is left.
fn order(line: &mut Line<u8>) -> Vec<u8> {
    let mut order = Vec::new();
    while let Some(job) = line.next() {
        line.ended(job.payer);
        order.push(job.payer);
    }
    assert!(line.accounts.is_empty(), "nothing is remembered of who has nothing here");
    order
}

#[test]
fn a_small_image_passes_costly_ones_of_one_and_of_many() {
    for uploaders in [1, 2, 24] {
        let mut line = Line::default();
        for n in 0..24 {
            line.push(job(n % uploaders, LARGE)).unwrap();
        }
        let in_work = line.next().unwrap();
        line.push(job(100, SMALL)).unwrap();
        assert_eq!(line.next().unwrap().payer, 100, "{uploaders}");
        line.ended(100);
        line.ended(in_work.payer);
        assert_eq!(order(&mut line).len(), 23, "{uploaders}");
    }
}

#[test]
fn those_who_pay_alike_take_turns_however_many_each_has_sent() {
    let mut line = Line::default();
    for n in [1, 1, 1, 1, 2, 2, 3] {
        line.push(job(n, LARGE)).unwrap();
    }
    assert_eq!(order(&mut line), [1, 2, 3, 1, 2, 1, 1]);
}

#[test]
fn one_has_one_image_in_work_and_leaves_the_other_thread_to_others() {
    let mut line = Line::default();
    for n in [1, 1, 2] {
        line.push(job(n, LARGE)).unwrap();
    }
    assert_eq!(line.next().unwrap().payer, 1);
    assert_eq!(line.next().unwrap().payer, 2);
    assert!(line.next().is_none());
    line.ended(1);
    assert_eq!(line.next().unwrap().payer, 1);
}

#[test]
fn a_costly_image_gets_its_turn_however_many_small_ones_come() {
    let mut line = Line::default();
    line.push(job(1, LARGE)).unwrap();
    let mut passed = 0;
    loop {
        let newcomer = 2 + (passed % 200) as u8;
        line.push(job(newcomer, SMALL)).unwrap();
        let next = line.next().unwrap();
        line.ended(next.payer);
        if next.payer == 1 {
            break;
        }
        passed += 1;
        assert!(passed < 2_000, "it waits for ever");
    }
    assert!(passed > 100);
}

#[test]
fn the_queue_is_bounded_for_one_and_for_all() {
    let mut line = Line::default();
    for _ in 0..WAITING_PER_UPLOADER_MAX {
        line.push(job(1, SMALL)).unwrap();
    }
    assert!(matches!(line.push(job(1, SMALL)), Err(QueueError::Full)));
    for n in 0..WAITING_MAX - WAITING_PER_UPLOADER_MAX {
        line.push(job(2 + (n % 200) as u8, SMALL)).unwrap();
    }
    assert!(matches!(line.push(job(250, SMALL)), Err(QueueError::Full)));
    assert_eq!(line.accounts.len(), 201, "who was refused is not remembered");
    assert_eq!(order(&mut line).len(), WAITING_MAX);
}

#[tokio::test]
async fn work_is_answered_panics_are_told_and_what_nobody_waits_for_is_not_begun() {
    let queue = ImageQueue::new();
    assert_eq!(queue.run(1, 1, || 7).await.unwrap(), 7);
    for n in 0..4 {
        let broken = queue.run(n, 1, || panic!("hostile")).await;
        assert!(matches!(broken, Err::<(), _>(QueueError::Panicked)));
    }

    // Its uploader's first image holds the second up, whose sender leaves meanwhile.
    let (hold, held) = std::sync::mpsc::sync_channel::<()>(0);
    let (begun, mut has_begun) = mpsc::channel(1);
    let first = queue.run(1, 1, move || {
        begun.blocking_send(()).unwrap();
        held.recv()
    });
    let mut first = std::pin::pin!(first);
    tokio::select! {
        _ = &mut first => panic!("it is held"),
        _ = has_begun.recv() => {}
    }
    let (seen, was_seen) = std::sync::mpsc::sync_channel(1);
    {
        let second = queue.run(1, 1, move || seen.send(()));
        let mut second = std::pin::pin!(second);
        tokio::select! {
            biased;
            _ = &mut second => panic!("the first is in work"),
            () = std::future::ready(()) => {}
        }
    }
    hold.send(()).unwrap();
    first.await.unwrap().unwrap();
    assert_eq!(queue.run(1, 1, || 8).await.unwrap(), 8, "behind the second");
    assert!(was_seen.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn an_image_that_waits_too_long_is_given_up() {
    let queue = ImageQueue::new();
    let (hold, held) = std::sync::mpsc::sync_channel::<()>(0);
    // Its sender is gone at once, and it is in work all the same.
    let (begun, has_begun) = std::sync::mpsc::sync_channel(1);
    let run = Box::new(move || {
        begun.send(()).unwrap();
        let _ = held.recv();
    });
    queue.push(Job { run, payer: 1, cost: 1 }).unwrap();
    has_begun.recv().unwrap();
    let given_up = queue.run(1, 1, || ()).await;
    assert!(matches!(given_up, Err(QueueError::Full)));
    hold.send(()).unwrap();
}

#[tokio::test]
async fn threads_come_with_work_and_go_without() {
    let queue = ImageQueue::new();
    for _ in 0..2 {
        let both = futures_util::future::join(queue.run(1, 1, || ()), queue.run(2, 1, || ())).await;
        assert!(both.0.is_ok() && both.1.is_ok());
        assert!((1..=THREADS).contains(&queue.shared.line().threads));
        let begun = std::time::Instant::now();
        while queue.shared.line().threads > 0 {
            assert!(begun.elapsed() < Duration::from_secs(30), "they stay");
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(queue.shared.line().idle, 0);
}
