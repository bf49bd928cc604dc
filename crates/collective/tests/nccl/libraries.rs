//! Libraries that are not what is needed, and ranks that do not have the same.

use fratmae_collective::{NcclDevice, find_gpu};

use crate::world::{Order, ranks, standin};

fn refusal(nccl: &str, cuda: &str) -> String {
    let error = NcclDevice::open(nccl, cuda, 0).unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

#[test]
fn a_missing_library_is_named_with_what_to_do() {
    let standin = standin().display().to_string();
    let line = refusal("/nowhere/libnccl.so.2", &standin);
    assert!(line.starts_with("NCCL (/nowhere/libnccl.so.2) cannot be opened: "));
    assert!(line.contains("install NCCL 2.18 or later"), "{line}");
    assert!(line.contains("collective.nccl_library"), "{line}");
    let line = refusal(&standin, "/nowhere/libcuda.so.1");
    assert!(line.starts_with("the CUDA driver (/nowhere/libcuda.so.1) cannot be opened: "));
}

#[test]
fn a_library_that_is_another_one_is_named_with_what_it_lacks() {
    let standin = standin().display().to_string();
    let line = refusal("libc.so.6", &standin);
    assert!(line.contains("has no function ncclGetVersion"), "{line}");
}

#[test]
fn a_version_that_is_too_old_or_too_new_is_refused() {
    for (version, said) in [
        ("21405", "is version 2.14.5, older than 2.18"),
        ("30001", "is version 3.0.1, and only 2 is known here"),
    ] {
        let line = died(&format!("version={version}"));
        assert!(line.contains(said), "{line}");
    }
}

#[test]
fn a_machine_without_a_device_is_told_so() {
    let line = died("no-device");
    assert!(line.contains("CUDA_ERROR_NO_DEVICE (100)"), "{line}");
}

#[test]
fn a_machine_without_a_driver_or_a_device_has_no_gpu_and_says_why() {
    let line = find_gpu("/nowhere/libcuda.so.1", 0)
        .unwrap_err()
        .to_string();
    let driver = "no NVIDIA driver (/nowhere/libcuda.so.1 cannot be opened: ";
    assert!(line.starts_with(driver) && !line.contains('\n'), "{line}");
    let line = last_words(
        "libraries::processes_of_a_machine_take_its_gpus_in_turn",
        "no-device",
    );
    let device = "the NVIDIA driver reports no GPU (cuInit answered CUDA_ERROR_NO_DEVICE (100))";
    assert!(line.contains(device), "{line}");
}

#[test]
fn processes_of_a_machine_take_its_gpus_in_turn() {
    let standin = standin().display().to_string();
    for place in 0..3 {
        // The stand-in has one.
        match find_gpu(&standin, place) {
            Ok(gpu) => assert_eq!(gpu, 0),
            Err(reason) => panic!("{reason}"),
        }
    }
}

/// Starts a rank that cannot open its device, and gives its last words.
fn died(faults: &str) -> String {
    last_words("libraries::the_device_opens_where_it_is_asked_to", faults)
}

/// Runs one of these tests in a process where the stand-in does what `faults` says, so that it fails.
fn last_words(test: &str, faults: &str) -> String {
    use std::process::Command;
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env(crate::rank::LIBRARY, standin())
        .env("FRATMAE_STANDIN", faults)
        .output()
        .unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_device_opens_where_it_is_asked_to() {
    let standin = standin().display().to_string();
    if let Err(error) = NcclDevice::open(&standin, &standin, 0) {
        panic!("{error}");
    }
}

#[test]
fn ranks_that_differ_take_tcp_unless_nccl_is_demanded() {
    let mut order = Order {
        generation: 1,
        link: "prefer",
        deadline_ms: 20_000,
        slots: "0-4,4-7",
        script: "reduce:100",
    };
    for (faults, reason) in [
        (
            ["version=22105", ""],
            "rank 0 has NCCL 2.21.5 and rank 1 has 2.30.5",
        ),
        (["device=7", "device=7"], "ranks 0 and 1 share one device"),
    ] {
        // Every collective would hang, so what works goes over TCP.
        let faults = faults.map(|fault| format!("{fault},hang=collective@1"));
        let mut world = ranks(&[&faults[0], &faults[1]]);
        order.link = "prefer";
        for outcome in order.run(&mut world) {
            assert_eq!(outcome.sums.len(), 1, "{outcome:?}");
        }
        (order.link, order.generation) = ("exact", order.generation + 1);
        for outcome in order.run(&mut world) {
            let (action, _, line) = outcome.error();
            assert_eq!(action, "Fatal");
            assert!(line.contains(reason), "{line}");
        }
    }
}
