func.func @cumsum(%x: tensor<8xf32>, %o: tensor<8xf32>) -> tensor<8xf32> {
  %r = hybrid.cumsum ins(%x : tensor<8xf32>) outs(%o : tensor<8xf32>) {axis = 0 : i64} -> tensor<8xf32>
  return %r : tensor<8xf32>
}
