// RUN: hybrid-opt %s --split-input-file --convert-onnx-to-hybrid="max-context=100" --cse | FileCheck %s

// Packed queries, keys and values; positions from seqlens_k, limited to the
// tables; a window that counts the token itself; the cache is a state.
module attributes {onnx.opsets = {ai.onnx = 21 : i64, com.microsoft = 1 : i64}} {
  func.func @prefill(%x: tensor<?x?x64xf32> {onnx.name = "x", onnx.dims = ["b", "s", 64]},
                  %n: tensor<?xi32> {onnx.name = "n", onnx.dims = ["b"]},
                  %total: tensor<i32> {onnx.name = "total", onnx.dims = []},
                  %c: tensor<50x4xf32> {onnx.name = "c", onnx.dims = [50, 4]},
                  %sink: tensor<4xf32> {onnx.name = "sink", onnx.dims = [4]},
                  %pk: tensor<?x2x?x8xf32> {onnx.name = "past_key.0", onnx.dims = ["b", 2, "p", 8], onnx.state = {kind = "kv", length_axis = 2 : i64, present = "present_key.0"}},
                  %pv: tensor<?x2x?x8xf32> {onnx.name = "past_value.0", onnx.dims = ["b", 2, "p", 8], onnx.state = {kind = "kv", length_axis = 2 : i64, present = "present_value.0"}})
      -> (tensor<?x?x32xf32> {onnx.name = "y", onnx.dims = ["b", "s", 32]},
          tensor<?x2x?x8xf32> {onnx.name = "present_key.0", onnx.dims = ["b", 2, "t", 8]},
          tensor<?x2x?x8xf32> {onnx.name = "present_value.0", onnx.dims = ["b", 2, "t", 8]})
      attributes {onnx.bindings = {t = "p + s"}, onnx.roles = {batch = "b", past = "p", seq = "s"}} {
    %none = onnx.None : none
    %y:4 = onnx.ms.GroupQueryAttention(%x, %none, %none, %pk, %pv, %n, %total, %c, %c, %none, %none, %sink, %none, %none, %none, %none, %none)
        {num_heads = 4 : i64, kv_num_heads = 2 : i64, do_rotary = 1 : i64, local_window_size = 5 : i64}
      : (tensor<?x?x64xf32>, none, none, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?xi32>, tensor<i32>, tensor<50x4xf32>, tensor<50x4xf32>, none, none, tensor<4xf32>, none, none, none, none, none)
      -> (tensor<?x?x32xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, none)
    return %y#0, %y#1, %y#2 : tensor<?x?x32xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>
  }
}

// The context is as long as the tables.
// CHECK:       {capacity = 50 : i64, name = "p", role = "past"}
// CHECK:       hybrid.state @past_key.0 kv present "present_key.0" length_axis 2 : tensor<?x2x50x8xf32>
// CHECK-LABEL: func.func @prefill(
// CHECK-DAG:   %[[Q:.*]] = tensor.extract_slice %arg0[0, 0, 0] [%{{.*}}, %{{.*}}, 32]
// CHECK-DAG:   %[[K:.*]] = tensor.extract_slice %arg0[0, 0, 32] [%{{.*}}, %{{.*}}, 16]
// CHECK-DAG:   %[[V:.*]] = tensor.extract_slice %arg0[0, 0, 48] [%{{.*}}, %{{.*}}, 16]
// CHECK:       arith.extsi {{.*}} : i32 to i64
// CHECK:       linalg.index 1
// CHECK:       %[[POS:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<?x?xi64>)
// CHECK:       arith.minsi
// CHECK:       hybrid.rope {{.*}} positions(%[[POS]] : tensor<?x?xi64>)
// CHECK:       %[[KR:.*]] = hybrid.rope {{.*}} positions(%[[POS]] : tensor<?x?xi64>)
// CHECK:       hybrid.cache_append ins(%[[KR]] :
// CHECK:       hybrid.attention {{.*}} sinks(%arg4 : tensor<4xf32>)
// CHECK-SAME:  causal
// CHECK-SAME:  window_left = 4 : i64

// -----

module attributes {onnx.opsets = {ai.onnx = 21 : i64, com.microsoft = 1 : i64}} {
  func.func @main(%a: tensor<?x?x4xf16> {onnx.name = "a", onnx.dims = ["b", "s", 4]},
                  %w: tensor<4xf32> {onnx.name = "w", onnx.dims = [4]})
      -> (tensor<?x?x4xf16> {onnx.name = "g", onnx.dims = ["b", "s", 4]}) {
    %none = onnx.None : none
    %y:2 = onnx.ms.LinearAttentionGate(%a, %w, %w, %none)
      : (tensor<?x?x4xf16>, tensor<4xf32>, tensor<4xf32>, none) -> (tensor<?x?x4xf16>, none)
    return %y#0 : tensor<?x?x4xf16>
  }
}

// CHECK-LABEL: func.func @main(
// CHECK:       linalg.generic {{.*}} ins(%arg0, %arg1, %arg1 : tensor<?x?x4xf16>, tensor<4xf32>, tensor<4xf32>) outs(%{{.*}} : tensor<?x?x4xf16>)
// CHECK:       %[[SUM:.*]] = arith.addf
// CHECK:       math.absf %[[SUM]]
// CHECK:       math.log1p
// CHECK:       arith.mulf
// CHECK:       arith.truncf

// -----

module attributes {onnx.opsets = {ai.onnx = 21 : i64, com.microsoft = 1 : i64}} {
  func.func @main(%a: tensor<?x40xf32> {onnx.name = "a", onnx.dims = ["b", 40]},
                  %w: tensor<6x3x8xui8> {onnx.name = "w", onnx.dims = [6, 3, 8]},
                  %s: tensor<6x3xf32> {onnx.name = "s", onnx.dims = [6, 3]},
                  %z: tensor<6x2xui8> {onnx.name = "z", onnx.dims = [6, 2]})
      -> (tensor<?x6xf32> {onnx.name = "y", onnx.dims = ["b", 6]}) {
    %none = onnx.None : none
    %y = onnx.ms.MatMulNBits(%a, %w, %s, %z, %none, %none) {K = 40 : i64, N = 6 : i64, block_size = 16 : i64}
      : (tensor<?x40xf32>, tensor<6x3x8xui8>, tensor<6x3xf32>, tensor<6x2xui8>, none, none) -> tensor<?x6xf32>
    return %y : tensor<?x6xf32>
  }
}

// CHECK-LABEL: func.func @main(
// Two values to a byte, low bits first.
// CHECK:       linalg.generic {{.*}} ins(%{{.*}} : tensor<6x24xi8>) outs(%{{.*}} : tensor<6x24x2xf32>)
// CHECK:       arith.extui {{.*}} : i8 to i32
// CHECK:       arith.muli {{.*}}, %c4_i32
// CHECK:       arith.shrui
// CHECK:       arith.andi {{.*}}, %c15_i32
// Blocks of 16: the last one is not full.
// CHECK:       linalg.generic {{.*}} outs(%{{.*}} : tensor<6x3x16xf32>)
// CHECK:       arith.subf
// CHECK:       arith.mulf
// CHECK:       %[[W:.*]] = tensor.extract_slice %{{.*}}[0, 0] [6, 40] [1, 1] : tensor<6x48xf32> to tensor<6x40xf32>
// CHECK:       linalg.generic {{.*}}"reduction"]} ins(%arg0, %[[W]] :

// -----

// Integers that the file has stay what they are.
module attributes {onnx.opsets = {ai.onnx = 23 : i64, com.microsoft = 1 : i64}} {
  func.func @main(%a: tensor<?x40xf32> {onnx.name = "a", onnx.dims = ["b", 40]})
      -> (tensor<?x6xf32> {onnx.name = "y", onnx.dims = ["b", 6]}) {
    %none = onnx.None : none
    %w = onnx.Initializer "w" <"model.onnx", 0, 144> : tensor<6x3x8xui8>
    %s = onnx.Initializer "s" <"model.onnx", 144, 72> : tensor<6x3xf32>
    %z = onnx.Initializer "z" <"model.onnx", 216, 12> : tensor<6x2xui8>
    %y = onnx.ms.MatMulNBits(%a, %w, %s, %z, %none, %none) {K = 40 : i64, N = 6 : i64, block_size = 16 : i64, accuracy_level = 4 : i64}
      : (tensor<?x40xf32>, tensor<6x3x8xui8>, tensor<6x3xf32>, tensor<6x2xui8>, none, none) -> tensor<?x6xf32>
    return %y : tensor<?x6xf32>
  }
}

// CHECK-LABEL: func.func @main(
// CHECK-DAG:   %[[Q:.*]] = hybrid.weight "w" from "model.onnx"[0, 144] : tensor<6x24xi8>
// CHECK-DAG:   %[[S:.*]] = hybrid.weight "s" from "model.onnx"[144, 72] : tensor<6x3xf32>
// CHECK-DAG:   %[[Z:.*]] = hybrid.weight "z" from "model.onnx"[216, 12] : tensor<6x2xi8>
// CHECK:       %[[W:.*]] = hybrid.dequantize_weight %[[Q]] scales %[[S]] zero_points %[[Z]] {axis = 1 : i64, bits = 4 : i64, block = 16 : i64, rounded_rows, zero_point = 8 : i64} : (tensor<6x24xi8>, tensor<6x3xf32>, tensor<6x2xi8>) -> tensor<6x40xf32>
// CHECK:       linalg.generic {{.*}}"reduction"]} ins(%arg0, %[[W]] :
