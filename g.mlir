#all = affine_map<(d0, d1) -> (d0, d1)>
func.func @t(%q: tensor<1x2x?x8xf32>, %k: tensor<1x2x?x8xf32>) -> tensor<1x2x?x8xf32> {
  %t = hybrid.dim "t"
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %low = arith.constant -3.40282347E+38 : f32
  %e = tensor.empty(%t, %t) : tensor<?x?xf32>
  %eb = tensor.empty(%t, %t) : tensor<?x?xi1>
  %mask = linalg.generic {indexing_maps = [#all], iterator_types = ["parallel", "parallel"]} outs(%e : tensor<?x?xf32>) {
  ^bb0(%out: f32):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
%0 = arith.cmpi sle, %j, %i : index
 %1 = arith.select %0, %one, %zero : f32
 %2 = arith.cmpf oeq, %1, %zero : f32
 %3 = arith.select %2, %low, %zero : f32
 linalg.yield %3 : f32
  } -> tensor<?x?xf32>
  %o = tensor.empty(%t) : tensor<1x2x?x8xf32>
  %r = hybrid.attention ins(%q, %k, %k : tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>) mask(%mask : tensor<?x?xf32>)
    kv_length(%t) q_offset(%c0) outs(%o : tensor<1x2x?x8xf32>) {scale = 1.0 : f64} -> tensor<1x2x?x8xf32>
  return %r : tensor<1x2x?x8xf32>
}
