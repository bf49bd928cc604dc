//! GPUs and the libraries that reach them: driver, devices, NCCL, and this program's own build. No CUDA toolkit is
//! needed: kernels are compiled by what the build has linked in.

mod reading;

use fratmae_collective::DriverSurvey;

use super::finding::{Finding, State, size};
use super::requirements::Requirements;

const DRIVER_HELP: &str = "install NVIDIA's driver; in a container, start it with the NVIDIA runtime (--gpus all); or take workers.device = \"cpu\"";

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gpu {
    /// Whether this program was built to train on GPUs.
    pub(crate) is_built: bool,
    /// The version of the kernel's module, where one is loaded.
    pub(crate) module: Option<String>,
    pub(crate) driver: Driver,
    /// NCCL's version, or what is wrong with it and what to do.
    pub(crate) nccl: Result<String, (String, String)>,
}

/// What became of the driver's library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Driver {
    /// It cannot be opened, for this reason.
    Absent(String),
    /// It refuses to answer, with these words.
    Refuses(String),
    /// It answered.
    Answers(DriverSurvey),
}

impl Gpu {
    /// How many devices can be used.
    pub(crate) fn count(&self) -> usize {
        self.survey().map_or(0, |survey| survey.devices.len())
    }

    fn survey(&self) -> Option<&DriverSurvey> {
        match &self.driver {
            Driver::Answers(survey) => Some(survey),
            Driver::Absent(_) | Driver::Refuses(_) => None,
        }
    }

    /// Judges what was found: what a job demands is missing, what nobody asked for is a note.
    pub(crate) fn judge(&self, need: &Requirements) -> Vec<Finding> {
        let lacking = match need.demands_gpu() {
            true => State::Missing,
            false => State::Note,
        };
        let mut findings = vec![self.driver(need, lacking)];
        findings.extend(self.devices(need));
        findings.extend(self.reach());
        findings.extend(self.build(need));
        findings.push(self.nccl(need));
        findings
    }

    fn driver(&self, need: &Requirements, lacking: State) -> Finding {
        let is_gpu_meant = self.module.is_some() && !need.shuns_gpu();
        // A module without its library is half an installation, which nobody wants.
        let half = lacking.max(if is_gpu_meant {
            State::Warning
        } else {
            State::Note
        });
        match (&self.driver, &self.module) {
            (Driver::Answers(survey), module) => {
                let (major, minor) = survey.cuda;
                let mut found = format!("serves CUDA {major}.{minor}");
                if let Some(module) = module {
                    found.push_str(&format!(", kernel module {module}"));
                }
                match survey.devices.is_empty() {
                    false => Finding::ok("driver", found),
                    true => Finding::new("driver", half, format!("{found}, no GPU"), DRIVER_HELP),
                }
            }
            (Driver::Absent(_), None) if lacking == State::Note => Finding::new(
                "driver",
                lacking,
                "no NVIDIA driver: training uses the CPU",
                "",
            ),
            (Driver::Absent(reason), None) => {
                let found = format!("no NVIDIA driver: {reason}");
                Finding::new("driver", lacking, found, DRIVER_HELP)
            }
            (Driver::Absent(reason), Some(module)) => {
                let found = format!("kernel module {module} without its library: {reason}");
                Finding::new("driver", half, found, DRIVER_HELP)
            }
            (Driver::Refuses(words), None) => {
                let found = format!("the library without its kernel module: {words}");
                let advice = "modprobe nvidia; in a container, start it with the NVIDIA runtime (--gpus all)";
                Finding::new("driver", lacking, found, advice)
            }
            (Driver::Refuses(words), Some(module)) => {
                let found = format!("kernel module {module}: {words}");
                let advice = "check nvidia-smi, dmesg and CUDA_VISIBLE_DEVICES; after a driver update, reboot";
                Finding::new("driver", half, found, advice)
            }
        }
    }

    fn devices(&self, need: &Requirements) -> Vec<Finding> {
        let job = need.job.as_ref().filter(|_| !need.shuns_gpu());
        let wanted = job.map_or(0, |job| job.gpu_bytes);
        let devices = self.survey().map_or(&[][..], |survey| &survey.devices);
        let line = |(at, gpu): (usize, &fratmae_collective::GpuSurvey)| {
            let (major, minor) = gpu.capability;
            let memory = size(gpu.memory);
            let found = format!("{}, {memory}, compute capability {major}.{minor}", gpu.name);
            if gpu.memory >= wanted {
                return Finding::ok(format!("GPU {at}"), found);
            }
            let found = format!(
                "{found}; a worker of this job takes at least {}",
                size(wanted)
            );
            let advice = "more workers, a smaller train.batch, or workers.state = \"host\"";
            Finding::new(format!("GPU {at}"), State::Warning, found, advice)
        };
        devices.iter().enumerate().map(line).collect()
    }

    fn reach(&self) -> Option<Finding> {
        let survey = self.survey().filter(|survey| survey.devices.len() > 1)?;
        if survey.apart.is_empty() {
            return Some(Finding::ok("peer access", "every GPU reaches every other"));
        }
        let pairs = survey.apart.iter().map(|(from, to)| format!("{from}-{to}"));
        let found = format!("not between {}", pairs.collect::<Vec<_>>().join(", "));
        let advice = "gradients go through host memory: look at nvidia-smi topo -p2p r, and at IOMMU and ACS in the BIOS";
        Some(Finding::new("peer access", State::Warning, found, advice))
    }

    fn build(&self, need: &Requirements) -> Option<Finding> {
        if self.is_built {
            return Some(Finding::ok("build", "trains on GPUs and CPUs"));
        }
        let state = match (need.demands_gpu(), self.count()) {
            (true, _) => State::Missing,
            (false, 0) => return Some(Finding::ok("build", "trains on CPUs")),
            (false, _) if need.shuns_gpu() => return Some(Finding::ok("build", "trains on CPUs")),
            (false, _) => State::Warning,
        };
        let advice = "make a build that trains on GPUs: `cargo xtask gpu build`, docs/gpu.md";
        Some(Finding::new("build", state, "trains on CPUs only", advice))
    }

    fn nccl(&self, need: &Requirements) -> Finding {
        let (found, advice) = match &self.nccl {
            Ok(version) => {
                let found = format!(
                    "{version}, 2.18 or later is needed; it encrypts and authenticates nothing: use it on a private network"
                );
                return Finding::ok("NCCL", found);
            }
            Err(reason) => reason,
        };
        if need.demands_nccl() {
            return Finding::new("NCCL", State::Missing, found, advice);
        }
        if self.count() > 0 && !need.shuns_gpu() {
            return Finding::new(
                "NCCL",
                State::Warning,
                format!("{found}; gradients go over TCP"),
                advice,
            );
        }
        Finding::new("NCCL", State::Note, "not here: gradients go over TCP", "")
    }
}

#[cfg(test)]
mod tests;
