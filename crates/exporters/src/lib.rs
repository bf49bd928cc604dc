//! How a run is told to other programs: its metrics in Prometheus's formats, and metrics, traces and logs by OTLP.
//!
//! Every metric is declared once, in `table`. A page, `docs/metrics.md` and the instruments of OTLP follow from that. Nobody
//! who trains waits for a reader: what a slow one cannot take is dropped and counted.

mod document;
mod durations;
mod families;
mod histograms;
mod http;
mod kubeflow;
mod metric;
mod otlp;
mod run;
pub mod table;
mod text;

pub use durations::Durations;
pub use families::{Buckets, Families, Value};
pub use histograms::Histograms;
pub use http::{Readiness, Source, router};
pub use kubeflow::Kubeflow;
pub use metric::{Kind, Metric, Unit};
pub use otlp::{Identity, Otlp, OtlpError, Part};
pub use run::{of_process, of_run, of_worker};
pub use text::Format;
