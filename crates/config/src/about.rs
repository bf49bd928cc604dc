//! What each key is for, its unit and the reason of its default: the text that `configs/base.toml` and `fratmae config`
//! print above it. "Paper" is FratMAE, arXiv 2503.02824v1; what the paper does not state is marked.

/// Every key with its text, in the order in which keys are printed.
pub(crate) const ABOUT: &[(&str, &str)] = &[
    (
        "run.url",
        "Where config, journal, checkpoints and history are stored: a path, file://, s3://, gs:// or az://.",
    ),
    (
        "run.seed",
        "Seed of the initial weights, the sample order, the stacks and the masks.",
    ),
    (
        "data.url",
        "The prepared data set (made by: fratmae prepare SOURCE --out URL).",
    ),
    (
        "data.source",
        "Raw cases, prepared into data.url if nothing is there: a CSV table or a folder in a known layout.",
    ),
    (
        "data.phantoms",
        "Number of phantom cases to write to data.source if it does not exist; 0: none.",
    ),
    (
        "data.grid",
        "Voxels along R, A and S after resizing. Paper.",
    ),
    (
        "data.axis",
        "Axis along which slices are stacked: \"coronal\", \"axial\" or \"sagittal\". model.stack is then [depth, R, S],\n\
         [depth, R, A] or [depth, A, S]. Paper: coronal.",
    ),
    (
        "data.stride",
        "Slice stride: with 2, every second slice, 32 slices span a body from front to back. Paper (k = 2).",
    ),
    (
        "data.suv_window",
        "SUV mapped to 0 and 1. Not from the paper: only the hottest lesions, brain and bladder saturate.",
    ),
    (
        "data.hu_window",
        "Hounsfield units mapped to 0 and 1. Not from the paper: from air to dense bone.",
    ),
    (
        "data.diagnosis_in_sentence",
        "Put the diagnosis into the text. It would leak the label into lesion tasks. Not from the paper.",
    ),
    (
        "data.prefetch_mib",
        "Memory in MiB that each worker may use to read ahead. 128 holds about two slots of the paper's size.",
    ),
    (
        "data.cache_dir",
        "Folder on a local disk for parts of a remote data set, shared by the workers of a machine; \"\": no cache.\n\
         Losing it costs only time. For the workers of pretrain; others take --cache-dir.",
    ),
    (
        "data.cache_mib",
        "Largest size of the cache in MiB. The paper's 1,292 cases fit, about 15 MB each.",
    ),
    (
        "data.bad_sample",
        "What to do when the stored voxels of a sample are damaged: \"fail\" ends the run, \"skip\" trains on another case\n\
         and records it in the journal.",
    ),
    (
        "model.stack",
        "Depth, height and width of a stack in voxels. Paper.",
    ),
    (
        "model.patch",
        "Size of a patch in voxels: 240 tokens per stack; [8, 16, 16] gives 480. Not from the paper.",
    ),
    (
        "model.mlp_ratio",
        "Hidden width of each block's MLP as a multiple of the block's width. ViT-B.",
    ),
    (
        "model.mask_ratio",
        "Fraction of patches masked in the masked modality. Paper.",
    ),
    (
        "model.masking",
        "\"asymmetric\": one modality of a sample is masked, the other is fully visible. \"symmetric\": both are masked.\n\
         Paper: asymmetric.",
    ),
    (
        "model.modality",
        "\"balanced\": half of each slot masks PET, half masks CT. \"independent\": drawn per sample. Not from the paper.",
    ),
    (
        "model.shared_encoders",
        "Use one encoder with the same weights for PET and CT. Paper: separate encoders.",
    ),
    (
        "model.norm_pix",
        "Normalise each target patch by its own mean and variance. Not from the paper: SUV and HU are absolute scales.",
    ),
    (
        "model.contrastive",
        "Use the contrastive loss between PET and text (ContextAlign). Paper.",
    ),
    (
        "model.init_from",
        "Initial weights from a safetensors file, by path or URL: a ViT with timm's or MAE's tensor names, or an earlier\n\
         export. \"\": random weights.",
    ),
    (
        "model.init_digest",
        "BLAKE3 digest of that file; filled in when the job starts, and checked if given.",
    ),
    (
        "model.embedding",
        "Width of the space in which PET and text are compared. Not from the paper: CLIP's.",
    ),
    (
        "model.encoder.width",
        "The two encoders (same shape, separate weights): ViT-B. Paper.\nWidth of a token, a multiple of 6.",
    ),
    ("model.encoder.depth", "Number of blocks."),
    (
        "model.encoder.heads",
        "Attention heads; they divide the width.",
    ),
    (
        "model.decoder.width",
        "The two decoders. Not from the paper: SelfMedMAE's width for volumes; MAE's 512 is not a multiple of 6.\n\
         Width of a token, a multiple of 6.",
    ),
    ("model.decoder.depth", "Number of blocks. MAE's."),
    (
        "model.decoder.heads",
        "Attention heads; they divide the width.",
    ),
    (
        "model.decoder.self_attention",
        "false: queries attend to the other modality only, which is what the paper literally says.",
    ),
    (
        "model.text.width",
        "The text side of CLIP ViT-B. Paper.\nWidth of a token.",
    ),
    ("model.text.depth", "Number of blocks."),
    (
        "model.text.heads",
        "Attention heads; they divide the width.",
    ),
    (
        "model.text.context",
        "Longest sentence in tokens, including start and end.",
    ),
    (
        "model.text.trainable",
        "Train the text encoder. If not given: true with random weights, false with weights from a file.",
    ),
    (
        "model.text.weights",
        "Weights of CLIP's text encoder with projection (transformers' CLIPTextModelWithProjection) as safetensors, by\n\
         path or URL. \"\": random weights.",
    ),
    (
        "model.text.weights_digest",
        "BLAKE3 digest of that file; filled in when the job starts, and checked if given.",
    ),
    (
        "train.steps",
        "Optimizer steps of the whole run: 400 passes over 1,292 cases. Not from the paper.",
    ),
    (
        "train.batch",
        "Samples per step, over all workers together. Not from the paper.",
    ),
    (
        "train.slots",
        "Micro-batches per step; also the maximum number of workers. The result does not depend on how many workers\n\
         share them.",
    ),
    (
        "train.lr",
        "Peak learning rate, reached after the warm-up. It then falls along a cosine that would reach zero one step\n\
         after the last, so that every step changes the weights. Not from the paper: MUST-PET's.",
    ),
    (
        "train.warmup",
        "Fraction of the steps in which the learning rate rises linearly from 0. Not from the paper: MAE's.",
    ),
    (
        "train.weight_decay",
        "AdamW's weight decay. Not from the paper: MAE's, like the two below.",
    ),
    ("train.beta1", "AdamW's decay of the mean gradient."),
    ("train.beta2", "AdamW's decay of the mean squared gradient."),
    ("train.epsilon", "AdamW's epsilon."),
    (
        "train.clip_norm",
        "Largest norm of the gradient; larger ones are scaled down. Not from the paper.",
    ),
    (
        "train.contrastive_weight",
        "Weight of the contrastive loss: L = L_MSE + weight x L_InfoNCE. Paper: 1.",
    ),
    (
        "train.precision",
        "Number format of matrix products in the forward and backward pass: \"f32\", or \"bf16\" on GPUs. Weights,\n\
         gradients, norms, softmax, losses and the optimizer are always f32. Not from the paper.",
    ),
    (
        "train.bad_batch",
        "What to do with a batch whose loss or gradient is NaN or infinite: \"fail\" ends the run, \"skip\" does not\n\
         update the weights with it.",
    ),
    (
        "checkpoint.every",
        "Save a checkpoint every N steps, and at the end.",
    ),
    (
        "checkpoint.every_s",
        "Also save one when the newest is older than this many seconds; 0: by steps only.",
    ),
    (
        "checkpoint.part_mib",
        "Largest part of a checkpoint in MiB; the workers share the parts.",
    ),
    (
        "checkpoint.max_stall_ms",
        "Milliseconds that a step should wait for a checkpoint at most; a longer wait gives a warning.",
    ),
    (
        "checkpoint.max_slowdown_pct",
        "Percent by which steps may slow down while a checkpoint is written.",
    ),
    (
        "checkpoint.memory_mib",
        "Memory in MiB per worker for copied state that is not uploaded yet; with less than a worker's share steps wait.",
    ),
    (
        "checkpoint.keep_last",
        "Number of newest checkpoints to keep.",
    ),
    (
        "checkpoint.keep_every",
        "Also keep every checkpoint whose step is a multiple of N; 0: none.",
    ),
    (
        "checkpoint.delete_after_s",
        "Seconds between removing a checkpoint from the list and deleting its files, so that readers can finish.",
    ),
    (
        "store.stall_ms",
        "Milliseconds without an answer from the store before a request is sent again.",
    ),
    (
        "store.patience_s",
        "Seconds for which one read or write is retried, plus one second per MiB.",
    ),
    (
        "workers.count",
        "Number of workers that train at once; at most train.slots. pretrain starts this many.",
    ),
    (
        "workers.min",
        "Least number of workers to begin with; the run grows to workers.count as more register. 0: wait for all of them.",
    ),
    (
        "workers.threads",
        "Compute threads per worker; 0: divide the cores evenly.",
    ),
    (
        "workers.device",
        "\"auto\" (a GPU if this build and this machine have one), \"cpu\" or \"cuda\".",
    ),
    (
        "workers.state",
        "Where parameters and optimizer moments are kept: \"auto\" (on the GPU if there is one, else in host memory),\n\
         \"host\" (a GPU holds parameters and gradients only: a quarter of the memory, more time) or \"device\".",
    ),
    (
        "workers.activation_checkpointing",
        "Recompute activations in the backward pass: same bits, less memory, more time.\n\
         pretrain turns it on by itself if its workers would not fit into this machine's memory.",
    ),
    (
        "workers.restarts_per_hour",
        "How often per hour a local worker is restarted after it died; 0: never.",
    ),
    (
        "workers.coordinator_patience_s",
        "Seconds that workers continue to train without a coordinator before they exit.",
    ),
    (
        "workers.preemption_file",
        "If this file appears, the workers of this machine leave (preemption notice). Signals such as SIGTERM work\n\
         without it. \"\": none. For the workers of pretrain; others take --preemption-file.",
    ),
    (
        "workers.grace_s",
        "Grace period in seconds after a worker was asked to stop; then it exits in any case.",
    ),
    (
        "workers.compare_every",
        "Compare the workers' parameters every N steps (0: never). 1 repairs a flipped bit before it spreads.",
    ),
    (
        "collective.deadline_s",
        "Longest time in seconds that a worker may wait for the others in one exchange, or compute without progress; more if\n\
         its steps take long.",
    ),
    (
        "collective.backend",
        "How gradients are exchanged: \"auto\" (NCCL if all workers have it and a GPU each, else TCP), \"tcp\" or \"nccl\".",
    ),
    (
        "collective.reduction",
        "\"exact\": bit-identical results for any number of workers. \"fast\": NCCL adds in its own order. Always exact\n\
         over TCP.",
    ),
    (
        "collective.nccl_library",
        "NCCL's library: a path, or a name on the library search path. For the workers of pretrain; others take\n\
         --nccl-library.",
    ),
    (
        "collective.cuda_library",
        "The CUDA driver's library, likewise; other workers take --cuda-library.",
    ),
    (
        "coordinator.listen",
        "Address at which the coordinator listens; use this machine's own address if workers run on others.\n\
         Port 0: any free port.",
    ),
    (
        "coordinator.advertise",
        "Address that workers connect to, HOST or HOST:PORT, if it differs from listen, for example in a container. \"\":\n\
         listen, or this host's own address if listen is 0.0.0.0 or [::].",
    ),
    (
        "coordinator.heartbeat_ms",
        "Milliseconds between heartbeats of a worker.",
    ),
    (
        "coordinator.worker_timeout_s",
        "Seconds without a heartbeat after which a worker is removed at the latest.",
    ),
    (
        "coordinator.join_timeout_s",
        "Seconds to wait until all workers have registered.",
    ),
];

/// The text of `key`; none for a key that does not exist.
pub(crate) fn about(key: &str) -> Option<&'static str> {
    ABOUT
        .iter()
        .find(|(known, _)| *known == key)
        .map(|(_, text)| *text)
}
