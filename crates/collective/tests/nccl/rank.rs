//! One rank as a process of its own: it follows the orders on its standard input, and says what came of each.
//!
//! The process is this test binary, asked for the one test below. A line is a generation:
//! `GENERATION RANK LINK DEADLINE_MS ADDRESSES SLOTS SCRIPT`. A script is `reduce:ELEMENTS`, `gather:BYTES`,
//! `replicate:ELEMENTS` or `reduce-there:ELEMENTS`, in place, between commas. The answers are lines that begin with `SAID`.

use std::io::{self, BufRead};
use std::net::TcpListener;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fratmae_collective::{
    Adding, CollectiveError, DeviceFloats, Link, Membership, MeshPort, NcclDevice, NcclError,
    NcclSettings, ProcessGroup, SlotSums, TcpSettings, form,
};

/// Names the library, and by being there asks for a rank.
pub(crate) const LIBRARY: &str = "FRATMAE_TEST_LIBRARY";

#[test]
fn a_process_plays_a_rank_when_it_is_asked_to() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the test that starts this process asks so"
    )]
    let Ok(library) = std::env::var(LIBRARY) else {
        return;
    };
    let port = MeshPort::open(TcpListener::bind(("127.0.0.1", 0)).unwrap()).unwrap();
    println!("\nSAID {}", port.local_addr().unwrap());
    let mut device = None;
    for line in io::stdin().lock().lines() {
        let line = line.unwrap();
        let begun = Instant::now();
        let mut open = || {
            let open = || NcclDevice::open(&library, &library, 0).unwrap();
            Arc::clone(device.get_or_insert_with(open))
        };
        if let Err(error) = follow(&line, &port, &mut open) {
            let action = error.action();
            let took = begun.elapsed().as_millis();
            println!("SAID error {action:?} {took} {error}");
        }
        println!("SAID end");
    }
}

fn follow(
    line: &str,
    port: &MeshPort,
    open: &mut dyn FnMut() -> Arc<NcclDevice>,
) -> Result<(), CollectiveError> {
    let words: Vec<&str> = line.split(' ').collect();
    let [generation, rank, link, deadline, addresses, slots, script] = words[..] else {
        panic!("seven words: {line}");
    };
    let membership = Membership {
        run: "nccl".to_owned(),
        generation: generation.parse().unwrap(),
        rank: rank.parse().unwrap(),
        addresses: addresses
            .split(',')
            .map(|address| address.parse().unwrap())
            .collect(),
        slots: slots.split(',').map(range).collect(),
    };
    let settings = TcpSettings::new(Duration::from_millis(deadline.parse().unwrap()));
    let mut group = form(port, &membership, settings, &read_link(link, open))?;
    println!("SAID formed");
    for order in script.split(',') {
        carry_out(order, group.as_mut(), &membership)?;
    }
    Ok(())
}

fn read_link(word: &str, open: &mut dyn FnMut() -> Arc<NcclDevice>) -> Link {
    let mut settings = |adding| NcclSettings {
        device: open(),
        adding,
        abort_within: Duration::from_secs(1),
    };
    match word {
        "tcp" => Link::Tcp,
        "exact" => Link::DemandNccl(settings(Adding::Exact)),
        "fast" => Link::DemandNccl(settings(Adding::Fast)),
        "prefer" => Link::PreferNccl(settings(Adding::Exact)),
        _ => panic!("no link: {word}"),
    }
}

fn carry_out(
    order: &str,
    group: &mut dyn ProcessGroup,
    membership: &Membership,
) -> Result<(), CollectiveError> {
    let (verb, size) = order.split_once(':').unwrap();
    let size: usize = size.parse().unwrap();
    match verb {
        "reduce" => {
            let slots = membership.slots[membership.rank].clone();
            let mut sums = SlotSums::new(membership.tree(), slots.clone());
            slots.for_each(|slot| sums.push(gradient(slot, size)));
            say_sum(&group.all_reduce(sums)?);
        }
        "reduce-there" => {
            assert_eq!(group.sums_on_device(), size > 0);
            let mut sum = vec![0.0; size];
            for slot in membership.slots[membership.rank].clone() {
                let gradient = gradient(slot, size);
                sum.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += g);
            }
            let address = sum.as_mut_ptr().expose_provenance() as u64;
            #[expect(unsafe_code, reason = "the stand-in's devices have the host's memory")]
            // SAFETY: the vector lives and nobody touches it until the call is over.
            let there = unsafe { DeviceFloats::new(address, size) };
            let outcome = group.all_reduce_on_device(there);
            if let Err(CollectiveError::Nccl(NcclError::Stuck { .. })) = &outcome {
                std::mem::forget(sum);
                return outcome;
            }
            outcome?;
            say_sum(&sum);
        }
        "gather" => {
            let mine = vec![group.rank() as u8; size + group.rank()];
            let messages = group.all_gather(&mine)?;
            let lengths: Vec<String> = messages
                .iter()
                .map(|message| message.len().to_string())
                .collect();
            println!("SAID gathered {}", lengths.join(","));
        }
        "replicate" => {
            let mut values = vec![group.rank() as f32; size];
            group.replicate(&[0], vec![&mut values])?;
            println!("SAID replicated {}", values.iter().sum::<f32>());
        }
        _ => panic!("no order: {order}"),
    }
    Ok(())
}

fn say_sum(sum: &[f32]) {
    let bits = sum.iter().map(|value| value.to_bits().to_string());
    println!("SAID sum {}", bits.collect::<Vec<_>>().join(","));
}

fn range(word: &str) -> Range<usize> {
    let (start, end) = word.split_once('-').unwrap();
    start.parse().unwrap()..end.parse().unwrap()
}

/// Values of such different size that every order of adding has bits of its own.
pub(crate) fn gradient(slot: usize, elements: usize) -> Vec<f32> {
    let value = |at: usize| {
        let mixed = (slot * 7919 + at * 104_729 + 12_345) % 65_521;
        let scale = 10_f32.powi((mixed % 9) as i32 - 4);
        (mixed as f32 - 32_760.0) * scale
    };
    (0..elements).map(value).collect()
}
