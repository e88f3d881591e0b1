// What devices can do at most, for predictions. Public figures of the makers,
// dense (no sparsity), at boost clock; launch costs are typical of launches
// inside of a graph. Units: operations, bytes, seconds.
//
//   matrix_fN    FLOP/s of products of matrices with elements of N bits
//   vector_f32   FLOP/s of all else
//   exponentials exponentials (and other special functions) per second
//   bandwidth    bytes per second from memory
//   cache        bytes of the last level of cache
//   cores        cores, or streaming multiprocessors
//   launch       seconds that a launch costs by itself
//   source       where the figures are from
//
// GPUs: 16 special functions a clock and multiprocessor.
module attributes {dlti.target_system_spec = #dlti.target_system_spec<
  "cpu" = #dlti.target_device_spec<
    "title" = "CPU", "matrix_f32" = 1.0e11 : f64, "matrix_f16" = 1.0e11 : f64,
    "matrix_f8" = 1.0e11 : f64, "vector_f32" = 1.0e11 : f64,
    "exponentials" = 4.0e9 : f64, "bandwidth" = 2.0e10 : f64,
    "cache" = 3.2e7 : f64, "cores" = 4.0 : f64, "launch" = 1.0e-6 : f64,
    "source" = "a guess: 4 cores; measure with --target-limits">,
  "h100" = #dlti.target_device_spec<
    "title" = "NVIDIA H100 SXM", "matrix_f32" = 4.95e14 : f64,
    "matrix_f16" = 9.89e14 : f64, "matrix_f8" = 1.979e15 : f64,
    "vector_f32" = 6.7e13 : f64, "exponentials" = 4.18e12 : f64,
    "bandwidth" = 3.35e12 : f64, "cache" = 5.0e7 : f64, "cores" = 132.0 : f64,
    "launch" = 2.5e-6 : f64, "source" = "data sheet; f32 products as TF32">,
  "h200" = #dlti.target_device_spec<
    "title" = "NVIDIA H200", "matrix_f32" = 4.95e14 : f64,
    "matrix_f16" = 9.89e14 : f64, "matrix_f8" = 1.979e15 : f64,
    "vector_f32" = 6.7e13 : f64, "exponentials" = 4.18e12 : f64,
    "bandwidth" = 4.8e12 : f64, "cache" = 5.0e7 : f64, "cores" = 132.0 : f64,
    "launch" = 2.5e-6 : f64, "source" = "data sheet; f32 products as TF32">,
  "a100" = #dlti.target_device_spec<
    "title" = "NVIDIA A100 SXM 80 GB", "matrix_f32" = 1.56e14 : f64,
    "matrix_f16" = 3.12e14 : f64, "matrix_f8" = 6.24e14 : f64,
    "vector_f32" = 1.95e13 : f64, "exponentials" = 2.44e12 : f64,
    "bandwidth" = 2.039e12 : f64, "cache" = 4.0e7 : f64, "cores" = 108.0 : f64,
    "launch" = 2.5e-6 : f64, "source" = "data sheet; f32 products as TF32, 8 bits as integers">,
  "l4" = #dlti.target_device_spec<
    "title" = "NVIDIA L4", "matrix_f32" = 6.0e13 : f64,
    "matrix_f16" = 1.21e14 : f64, "matrix_f8" = 2.42e14 : f64,
    "vector_f32" = 3.03e13 : f64, "exponentials" = 1.89e12 : f64,
    "bandwidth" = 3.0e11 : f64, "cache" = 4.8e7 : f64, "cores" = 58.0 : f64,
    "launch" = 2.5e-6 : f64, "source" = "data sheet; f32 products as TF32">
>} {}
