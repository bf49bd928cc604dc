//! `reduce`: how fast the TCP group sums gradients, beside a plain copy of the same bytes on the same loopback.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use fratmae_collective::{Membership, MeshPort, ProcessGroup as _, SlotSums, SlotTree, TcpGroup};

use crate::copy::Streams;
use crate::timing::{median, median_of};

const WORLDS: [usize; 2] = [2, 4];
const DEADLINE: Duration = Duration::from_secs(120);

/// Prints one line for each world size and length of the gradient.
///
/// # Errors
/// A socket or the group fails.
pub(crate) fn compare(lengths: &[usize]) -> Result<()> {
    println!("world   elements  reduce ms   copy ms  copy/reduce  GB/s a rank");
    for world in WORLDS {
        for &elements in lengths {
            let reduce = time_reduce(world, elements)?;
            // Each pair exchanges a range of partial sums and a range of results.
            let between_two = 2 * elements.div_ceil(world) * size_of::<f32>();
            let mesh = Streams::connect(world * (world - 1) / 2)?;
            let copy = median(|| mesh.copy(between_two))?;
            println!("{}", line(world, elements, reduce, copy, between_two));
        }
    }
    Ok(())
}

fn line(
    world: usize,
    elements: usize,
    reduce: Duration,
    copy: Duration,
    between_two: usize,
) -> String {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let sent = between_two * (world - 1);
    format!(
        "{world:>5} {elements:>10} {:>10.2} {:>9.2} {:>12.2} {:>12.2}",
        milliseconds(reduce),
        milliseconds(copy),
        copy.as_secs_f64() / reduce.as_secs_f64(),
        sent as f64 / reduce.as_secs_f64() / 1e9,
    )
}

/// The time in which all ranks, each a thread with one slot, have the sum; making the gradients is not in it.
fn time_reduce(world: usize, elements: usize) -> Result<Duration> {
    let mut groups = groups(world)?;
    median_of(|| {
        let together = Barrier::new(world);
        std::thread::scope(|scope| {
            let reduce = |group| scope.spawn(|| reduce_once(group, elements, &together));
            let threads: Vec<_> = groups.iter_mut().map(reduce).collect();
            let mut slowest = Duration::ZERO;
            for thread in threads {
                slowest = slowest.max(thread.join().map_err(|_| anyhow!("a rank panicked"))??);
            }
            Ok(slowest)
        })
    })
}

fn reduce_once(group: &mut TcpGroup, elements: usize, together: &Barrier) -> Result<Duration> {
    let (rank, world) = (group.rank(), group.world_size());
    let mut sums = SlotSums::new(SlotTree::new(world), rank..rank + 1);
    sums.push(vec![1.0; elements]);
    together.wait();
    let begin = Instant::now();
    let total = group.all_reduce(sums)?;
    let time = begin.elapsed();
    ensure!(total.last() == Some(&(world as f32)), "the sum is wrong");
    Ok(time)
}

/// Joins `world` ranks on loopback, each with one slot.
pub(crate) fn groups(world: usize) -> Result<Vec<TcpGroup>> {
    let ports: Vec<MeshPort> = (0..world)
        .map(|_| MeshPort::open(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?))
        .collect::<Result<_, _>>()?;
    let addresses: Vec<SocketAddr> = ports
        .iter()
        .map(MeshPort::local_addr)
        .collect::<Result<_, _>>()?;
    let slots: Vec<Range<usize>> = (0..world).map(|rank| rank..rank + 1).collect();
    let membership = |rank| Membership {
        run: "bench".to_owned(),
        generation: 1,
        rank,
        addresses: addresses.clone(),
        slots: slots.clone(),
    };
    std::thread::scope(|scope| {
        let join = |(rank, port)| {
            let membership = membership(rank);
            scope.spawn(move || TcpGroup::connect(port, &membership, DEADLINE))
        };
        let threads: Vec<_> = ports.iter().enumerate().map(join).collect();
        let joined = threads
            .into_iter()
            .map(|thread| Ok(thread.join().map_err(|_| anyhow!("a rank panicked"))??));
        joined.collect()
    })
}
