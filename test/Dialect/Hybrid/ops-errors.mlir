// RUN: hybrid-opt %s --split-input-file --verify-diagnostics

// One function per numbered constraint.

func.func @attention_c1(%q: tensor<4x3x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x32xf32>, %o: tensor<1x4x3x32xf32>, %n: index) {
  // expected-error @+1 {{'hybrid.attention' op C1: query must have rank 4, but is 'tensor<4x3x16xf32>'}}
  %r = hybrid.attention ins(%q, %k, %v : tensor<4x3x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x32xf32>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x4x3x32xf32>) {scale = 1.0 : f64} -> tensor<1x4x3x32xf32>
  return
}

// -----

func.func @attention_c1_batch(%q: tensor<1x4x3x16xf32>, %k: tensor<2x2x8x16xf32>, %v: tensor<1x2x8x32xf32>, %o: tensor<1x4x3x32xf32>, %n: index) {
  // expected-error @+1 {{'hybrid.attention' op C1: batch sizes of query and key differ: 1 and 2}}
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x3x16xf32>, tensor<2x2x8x16xf32>, tensor<1x2x8x32xf32>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x4x3x32xf32>) {scale = 1.0 : f64} -> tensor<1x4x3x32xf32>
  return
}

// -----

func.func @attention_c2(%q: tensor<1x4x3x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x4x8x32xf32>, %o: tensor<1x4x3x32xf32>, %n: index) {
  // expected-error @+1 {{'hybrid.attention' op C2: key and value differ in heads: 2 and 4}}
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x3x16xf32>, tensor<1x2x8x16xf32>, tensor<1x4x8x32xf32>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x4x3x32xf32>) {scale = 1.0 : f64} -> tensor<1x4x3x32xf32>
  return
}

// -----

func.func @attention_c2_positions(%q: tensor<1x4x3x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x9x32xf32>, %o: tensor<1x4x3x32xf32>, %n: index) {
  // expected-error @+1 {{'hybrid.attention' op C2: key and value differ in positions: 8 and 9}}
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x3x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x9x32xf32>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x4x3x32xf32>) {scale = 1.0 : f64} -> tensor<1x4x3x32xf32>
  return
}

// -----

func.func @attention_c3(%q: tensor<1x4x3x16xf32>, %k: tensor<1x3x8x16xf32>, %v: tensor<1x3x8x32xf32>, %o: tensor<1x4x3x32xf32>, %n: index) {
  // expected-error @+1 {{'hybrid.attention' op C3: 4 query heads are no multiple of 3 key/value heads}}
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x3x16xf32>, tensor<1x3x8x16xf32>, tensor<1x3x8x32xf32>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x4x3x32xf32>) {scale = 1.0 : f64} -> tensor<1x4x3x32xf32>
  return
}

// -----

func.func @attention_c3_none(%q: tensor<1x4x3x16xf32>, %k: tensor<1x0x8x16xf32>, %v: tensor<1x0x8x32xf32>, %o: tensor<1x4x3x32xf32>, %n: index) {
  // expected-error @+1 {{'hybrid.attention' op C3: 4 query heads are no multiple of 0 key/value heads}}
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x3x16xf32>, tensor<1x0x8x16xf32>, tensor<1x0x8x32xf32>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x4x3x32xf32>) {scale = 1.0 : f64} -> tensor<1x4x3x32xf32>
  return
}

// -----

func.func @attention_c4(%q: tensor<1x4x3x16xf32>, %k: tensor<1x2x8x8xf32>, %v: tensor<1x2x8x32xf32>, %o: tensor<1x4x3x32xf32>, %n: index) {
  // expected-error @+1 {{'hybrid.attention' op C4: head dimensions of query and key differ: 16 and 8}}
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x3x16xf32>, tensor<1x2x8x8xf32>, tensor<1x2x8x32xf32>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x4x3x32xf32>) {scale = 1.0 : f64} -> tensor<1x4x3x32xf32>
  return
}

// -----

func.func @attention_c5(%q: tensor<1x4x3x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x32xf32>, %o: tensor<1x4x3x16xf32>, %n: index) {
  // expected-error @+1 {{'hybrid.attention' op C5: init must have shape [1,4,3,32], but is 'tensor<1x4x3x16xf32>'}}
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x3x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x32xf32>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x4x3x16xf32>) {scale = 1.0 : f64} -> tensor<1x4x3x16xf32>
  return
}

// -----

func.func @attention_c6(%q: tensor<1x4x3x16xf32>, %k: tensor<1x2x8x16xi32>, %v: tensor<1x2x8x32xf32>, %o: tensor<1x4x3x32xf32>, %n: index) {
  // expected-error @+1 {{'hybrid.attention' op C6: key must have a float element type, but is 'tensor<1x2x8x16xi32>'}}
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x3x16xf32>, tensor<1x2x8x16xi32>, tensor<1x2x8x32xf32>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x4x3x32xf32>) {scale = 1.0 : f64} -> tensor<1x4x3x32xf32>
  return
}

// -----

func.func @attention_c7(%q: tensor<1x4x3x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x32xf32>, %o: tensor<1x4x3x32xf32>, %n: index, %x: tensor<2x3x8xi1>) {
  // expected-error @+1 {{'hybrid.attention' op C7: mask must broadcast to [1,4,3,?], but is 'tensor<2x3x8xi1>'}}
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x3x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x32xf32>) mask(%x : tensor<2x3x8xi1>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x4x3x32xf32>) {scale = 1.0 : f64} -> tensor<1x4x3x32xf32>
  return
}

// -----

func.func @attention_c7_scalar(%q: tensor<1x4x3x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x32xf32>, %o: tensor<1x4x3x32xf32>, %n: index, %x: tensor<f32>) {
  // expected-error @+1 {{'hybrid.attention' op C7: mask must broadcast to [1,4,3,?], but is 'tensor<f32>'}}
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x3x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x32xf32>) mask(%x : tensor<f32>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x4x3x32xf32>) {scale = 1.0 : f64} -> tensor<1x4x3x32xf32>
  return
}

// -----

func.func @attention_c7_type(%q: tensor<1x4x3x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x32xf32>, %o: tensor<1x4x3x32xf32>, %n: index, %x: tensor<8xi32>) {
  // expected-error @+1 {{'hybrid.attention' op C7: mask must be boolean or float, but is 'tensor<8xi32>'}}
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x3x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x32xf32>) mask(%x : tensor<8xi32>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x4x3x32xf32>) {scale = 1.0 : f64} -> tensor<1x4x3x32xf32>
  return
}

// -----

func.func @attention_c8(%q: tensor<1x4x3x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x32xf32>, %o: tensor<1x4x3x32xf32>, %n: index, %x: tensor<2xf32>) {
  // expected-error @+1 {{'hybrid.attention' op C8: sinks must have shape [4], but is 'tensor<2xf32>'}}
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x3x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x32xf32>) sinks(%x : tensor<2xf32>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x4x3x32xf32>) {scale = 1.0 : f64} -> tensor<1x4x3x32xf32>
  return
}

// -----

func.func @attention_c8_type(%q: tensor<1x4x3x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x32xf32>, %o: tensor<1x4x3x32xf32>, %n: index, %x: tensor<4xi64>) {
  // expected-error @+1 {{'hybrid.attention' op C8: sinks must have a float element type, but is 'tensor<4xi64>'}}
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x3x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x32xf32>) sinks(%x : tensor<4xi64>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x4x3x32xf32>) {scale = 1.0 : f64} -> tensor<1x4x3x32xf32>
  return
}

// -----

func.func @attention_c9(%q: tensor<1x4x3x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x32xf32>, %o: tensor<1x4x3x32xf32>, %n: index, %x: tensor<1xi32>) {
  // expected-error @+1 {{'hybrid.attention' op C9: lengths must have element type i64, but is 'tensor<1xi32>'}}
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x3x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x32xf32>) lengths(%x : tensor<1xi32>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x4x3x32xf32>) {scale = 1.0 : f64} -> tensor<1x4x3x32xf32>
  return
}

// -----

func.func @attention_c9_shape(%q: tensor<1x4x3x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x32xf32>, %o: tensor<1x4x3x32xf32>, %n: index, %x: tensor<2xi64>) {
  // expected-error @+1 {{'hybrid.attention' op C9: lengths must have shape [1], but is 'tensor<2xi64>'}}
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x3x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x32xf32>) lengths(%x : tensor<2xi64>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x4x3x32xf32>) {scale = 1.0 : f64} -> tensor<1x4x3x32xf32>
  return
}

// -----

func.func @attention_c10(%q: tensor<1x4x3x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x32xf32>, %o: tensor<1x4x3x32xf32>, %n: index) {
  // expected-error @+1 {{'hybrid.attention' op C10: window_left and window_right must be -1 (no window) or more, but are -2 and -1}}
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x3x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x32xf32>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x4x3x32xf32>) {scale = 1.0 : f64, window_left = -2 : i64} -> tensor<1x4x3x32xf32>
  return
}

// -----

func.func @attention_c10_sinks(%q: tensor<1x4x3x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x32xf32>, %o: tensor<1x4x3x32xf32>, %n: index) {
  // expected-error @+1 {{'hybrid.attention' op C10: sink_prefix must be 0 or more, but is -1}}
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x3x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x32xf32>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x4x3x32xf32>) {scale = 1.0 : f64, window_left = 1 : i64, sink_prefix = -1 : i64} -> tensor<1x4x3x32xf32>
  return
}

// -----

func.func @attention_c10_window(%q: tensor<1x4x3x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x32xf32>, %o: tensor<1x4x3x32xf32>, %n: index) {
  // expected-error @+1 {{'hybrid.attention' op C10: sink_prefix needs a window_left}}
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x3x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x32xf32>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x4x3x32xf32>) {scale = 1.0 : f64, sink_prefix = 4 : i64} -> tensor<1x4x3x32xf32>
  return
}

// -----

func.func @attention_c11(%q: tensor<1x4x3x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x32xf32>, %o: tensor<1x4x3x32xf32>, %n: index) {
  // expected-error @+1 {{'hybrid.attention' op C11: softcap must be 0 or more, but is -1.0}}
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x3x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x32xf32>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x4x3x32xf32>) {scale = 1.0 : f64, softcap = -1.0 : f64} -> tensor<1x4x3x32xf32>
  return
}

// -----

func.func @attention_c12(%q: tensor<1x4x3x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x32xf32>, %s: tensor<4xf32>, %o: tensor<1x4x3x32xf32>, %n: index) {
  // expected-error @+1 {{'hybrid.attention' op C12: empty_is_mean takes no sinks}}
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x3x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x32xf32>) sinks(%s : tensor<4xf32>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x4x3x32xf32>) {scale = 1.0 : f64, empty_is_mean} -> tensor<1x4x3x32xf32>
  return
}

// -----

func.func @attention_c12_lengths(%q: tensor<1x4x3x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x32xf32>, %l: tensor<1xi64>, %o: tensor<1x4x3x32xf32>, %n: index) {
  // expected-error @+1 {{'hybrid.attention' op C12: empty_is_mean takes no lengths}}
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x3x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x32xf32>) lengths(%l : tensor<1xi64>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x4x3x32xf32>) {scale = 1.0 : f64, empty_is_mean} -> tensor<1x4x3x32xf32>
  return
}

// -----

func.func @attention_result(%q: tensor<1x1x1x1xf32>, %o: tensor<1x1x1x1xf32>, %n: index) {
  // expected-error @+1 {{expected type of operand #5 ('tensor<1x1x1x1xf32>') to match type of corresponding result ('tensor<1x1x1x2xf32>')}}
  %r = hybrid.attention ins(%q, %q, %q : tensor<1x1x1x1xf32>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xf32>) kv_length(%n) q_offset(%n) outs(%o : tensor<1x1x1x1xf32>) {scale = 1.0 : f64} -> tensor<1x1x1x2xf32>
  return
}

// -----

func.func @scan_c1(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x2x8xf32>, %v: tensor<2x3x2x5xf32>, %o: tensor<2x3x4x5xf32>, %s: tensor<2x8x5xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C1: state must have rank 4, but is 'tensor<2x8x5xf32>'}}
  %r:2 = hybrid.scan linear ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x3x2x8xf32>, tensor<2x3x2x5xf32>) outs(%o, %s : tensor<2x3x4x5xf32>, tensor<2x8x5xf32>) {scale = 1.0 : f64} -> tensor<2x3x4x5xf32>, tensor<2x8x5xf32>
  return
}

// -----

func.func @scan_c2(%q: tensor<2x3x4x8xf32>, %k: tensor<2x4x2x8xf32>, %v: tensor<2x3x2x5xf32>, %o: tensor<2x3x4x5xf32>, %s: tensor<2x2x8x5xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C2: query and key differ in time: 3 and 4}}
  %r:2 = hybrid.scan linear ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x4x2x8xf32>, tensor<2x3x2x5xf32>) outs(%o, %s : tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>) {scale = 1.0 : f64} -> tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>
  return
}

// -----

func.func @scan_c2_batch(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x2x8xf32>, %v: tensor<1x3x2x5xf32>, %o: tensor<2x3x4x5xf32>, %s: tensor<2x2x8x5xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C2: query and value differ in batch: 2 and 1}}
  %r:2 = hybrid.scan linear ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x3x2x8xf32>, tensor<1x3x2x5xf32>) outs(%o, %s : tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>) {scale = 1.0 : f64} -> tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>
  return
}

// -----

func.func @scan_c3(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x2x8xf32>, %v: tensor<2x3x3x5xf32>, %o: tensor<2x3x4x5xf32>, %s: tensor<2x2x8x5xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C3: of 4 query heads and 3 value heads none is a multiple of the other}}
  %r:2 = hybrid.scan linear ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x3x2x8xf32>, tensor<2x3x3x5xf32>) outs(%o, %s : tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>) {scale = 1.0 : f64} -> tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>
  return
}

// -----

func.func @scan_c3_key(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x4x8xf32>, %v: tensor<2x3x2x5xf32>, %o: tensor<2x3x4x5xf32>, %s: tensor<2x2x8x5xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C3: 2 value heads are no multiple of 4 key heads}}
  %r:2 = hybrid.scan linear ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3x2x5xf32>) outs(%o, %s : tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>) {scale = 1.0 : f64} -> tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>
  return
}

// -----

func.func @scan_c4(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x2x6xf32>, %v: tensor<2x3x2x5xf32>, %o: tensor<2x3x4x5xf32>, %s: tensor<2x2x8x5xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C4: head dimensions of query and key differ: 8 and 6}}
  %r:2 = hybrid.scan linear ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x3x2x6xf32>, tensor<2x3x2x5xf32>) outs(%o, %s : tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>) {scale = 1.0 : f64} -> tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>
  return
}

// -----

func.func @scan_c5(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x2x8xf32>, %v: tensor<2x3x2x5xf32>, %o: tensor<2x3x2x5xf32>, %s: tensor<2x2x8x5xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C5: init must have shape [2,3,4,5], but is 'tensor<2x3x2x5xf32>'}}
  %r:2 = hybrid.scan linear ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x3x2x8xf32>, tensor<2x3x2x5xf32>) outs(%o, %s : tensor<2x3x2x5xf32>, tensor<2x2x8x5xf32>) {scale = 1.0 : f64} -> tensor<2x3x2x5xf32>, tensor<2x2x8x5xf32>
  return
}

// -----

func.func @scan_c6(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x2x8xf32>, %v: tensor<2x3x2x5xf32>, %o: tensor<2x3x4x5xf32>, %s: tensor<2x2x5x8xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C6: state must have shape [2,2,8,5], but is 'tensor<2x2x5x8xf32>'}}
  %r:2 = hybrid.scan linear ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x3x2x8xf32>, tensor<2x3x2x5xf32>) outs(%o, %s : tensor<2x3x4x5xf32>, tensor<2x2x5x8xf32>) {scale = 1.0 : f64} -> tensor<2x3x4x5xf32>, tensor<2x2x5x8xf32>
  return
}

// -----

func.func @scan_c7(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x2x8xf32>, %v: tensor<2x3x2x5xf32>, %o: tensor<2x3x4x5xf32>, %s: tensor<2x2x8x5xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C7: rule gated needs decay}}
  %r:2 = hybrid.scan gated ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x3x2x8xf32>, tensor<2x3x2x5xf32>) outs(%o, %s : tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>) {scale = 1.0 : f64} -> tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>
  return
}

// -----

func.func @scan_c7_unused(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x2x8xf32>, %v: tensor<2x3x2x5xf32>, %o: tensor<2x3x4x5xf32>, %s: tensor<2x2x8x5xf32>, %g: tensor<2x3x2xf32>, %b: tensor<2x3x2xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C7: rule delta takes no decay}}
  %r:2 = hybrid.scan delta ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x3x2x8xf32>, tensor<2x3x2x5xf32>) decay(%g : tensor<2x3x2xf32>) beta(%b : tensor<2x3x2xf32>) outs(%o, %s : tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>) {scale = 1.0 : f64} -> tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>
  return
}

// -----

func.func @scan_c7_shape(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x2x8xf32>, %v: tensor<2x3x2x5xf32>, %o: tensor<2x3x4x5xf32>, %s: tensor<2x2x8x5xf32>, %g: tensor<2x3x4xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C7: decay must have shape [2,3,2] or [2,3,2,8], but is 'tensor<2x3x4xf32>'}}
  %r:2 = hybrid.scan gated ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x3x2x8xf32>, tensor<2x3x2x5xf32>) decay(%g : tensor<2x3x4xf32>) outs(%o, %s : tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>) {scale = 1.0 : f64} -> tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>
  return
}

// -----

func.func @scan_c8(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x2x8xf32>, %v: tensor<2x3x2x5xf32>, %o: tensor<2x3x4x5xf32>, %s: tensor<2x2x8x5xf32>, %g: tensor<2x3x2xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C8: rule gated_delta needs beta}}
  %r:2 = hybrid.scan gated_delta ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x3x2x8xf32>, tensor<2x3x2x5xf32>) decay(%g : tensor<2x3x2xf32>) outs(%o, %s : tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>) {scale = 1.0 : f64} -> tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>
  return
}

// -----

func.func @scan_c8_unused(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x2x8xf32>, %v: tensor<2x3x2x5xf32>, %o: tensor<2x3x4x5xf32>, %s: tensor<2x2x8x5xf32>, %b: tensor<2x3x2xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C8: rule linear takes no beta}}
  %r:2 = hybrid.scan linear ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x3x2x8xf32>, tensor<2x3x2x5xf32>) beta(%b : tensor<2x3x2xf32>) outs(%o, %s : tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>) {scale = 1.0 : f64} -> tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>
  return
}

// -----

func.func @scan_c8_shape(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x2x8xf32>, %v: tensor<2x3x2x5xf32>, %o: tensor<2x3x4x5xf32>, %s: tensor<2x2x8x5xf32>, %b: tensor<2x3x4xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C8: beta must have shape [2,3,2] or [2,3,1], but is 'tensor<2x3x4xf32>'}}
  %r:2 = hybrid.scan delta ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x3x2x8xf32>, tensor<2x3x2x5xf32>) beta(%b : tensor<2x3x4xf32>) outs(%o, %s : tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>) {scale = 1.0 : f64} -> tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>
  return
}

// -----

func.func @scan_c9(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x2x8xf32>, %v: tensor<2x3x2x5xi8>, %o: tensor<2x3x4x5xf32>, %s: tensor<2x2x8x5xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C9: value must have a float element type, but is 'tensor<2x3x2x5xi8>'}}
  %r:2 = hybrid.scan linear ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x3x2x8xf32>, tensor<2x3x2x5xi8>) outs(%o, %s : tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>) {scale = 1.0 : f64} -> tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>
  return
}

// -----

func.func @scan_c9_decay(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x2x8xf32>, %v: tensor<2x3x2x5xf32>, %o: tensor<2x3x4x5xf32>, %s: tensor<2x2x8x5xf32>, %g: tensor<2x3x2xi8>) {
  // expected-error @+1 {{'hybrid.scan' op C9: decay must have a float element type, but is 'tensor<2x3x2xi8>'}}
  %r:2 = hybrid.scan gated ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x3x2x8xf32>, tensor<2x3x2x5xf32>) decay(%g : tensor<2x3x2xi8>) outs(%o, %s : tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>) {scale = 1.0 : f64} -> tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>
  return
}

// -----

func.func @scan_c10(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x2x8xf32>, %v: tensor<2x3x2x5xf32>, %o: tensor<2x3x4x5xf32>, %s: tensor<2x2x8x5xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C10: form chunked needs chunk, between 1 and 128}}
  %r:2 = hybrid.scan linear ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x3x2x8xf32>, tensor<2x3x2x5xf32>) outs(%o, %s : tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>) {form = #hybrid.scan_form<chunked>, scale = 1.0 : f64} -> tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>
  return
}

// -----

func.func @scan_c10_length(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x2x8xf32>, %v: tensor<2x3x2x5xf32>, %o: tensor<2x3x4x5xf32>, %s: tensor<2x2x8x5xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C10: form associative needs chunk, between 1 and 128}}
  %r:2 = hybrid.scan linear ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x3x2x8xf32>, tensor<2x3x2x5xf32>) outs(%o, %s : tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>) {form = #hybrid.scan_form<associative>, chunk = 129 : i64, scale = 1.0 : f64} -> tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>
  return
}

// -----

func.func @scan_c10_sequential(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x2x8xf32>, %v: tensor<2x3x2x5xf32>, %o: tensor<2x3x4x5xf32>, %s: tensor<2x2x8x5xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C10: chunk and sequential_below are for the forms chunked and associative}}
  %r:2 = hybrid.scan linear ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x3x2x8xf32>, tensor<2x3x2x5xf32>) outs(%o, %s : tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>) {form = #hybrid.scan_form<sequential>, chunk = 16 : i64, scale = 1.0 : f64} -> tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>
  return
}

// -----

func.func @scan_c10_undecided(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x2x8xf32>, %v: tensor<2x3x2x5xf32>, %o: tensor<2x3x4x5xf32>, %s: tensor<2x2x8x5xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C10: chunk and sequential_below are for the forms chunked and associative}}
  %r:2 = hybrid.scan linear ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x3x2x8xf32>, tensor<2x3x2x5xf32>) outs(%o, %s : tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>) {sequential_below = 2 : i64, scale = 1.0 : f64} -> tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>
  return
}

// -----

func.func @scan_c10_below(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x2x8xf32>, %v: tensor<2x3x2x5xf32>, %o: tensor<2x3x4x5xf32>, %s: tensor<2x2x8x5xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C10: sequential_below is negative: -1}}
  %r:2 = hybrid.scan linear ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x3x2x8xf32>, tensor<2x3x2x5xf32>) outs(%o, %s : tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>) {form = #hybrid.scan_form<chunked>, chunk = 16 : i64, sequential_below = -1 : i64, scale = 1.0 : f64} -> tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>
  return
}

// -----

func.func @scan_c11(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x2x8xf32>, %v: tensor<2x3x2x5xf32>, %o: tensor<2x3x4x5xf32>, %s: tensor<2x2x8x5xf32>, %b: tensor<2x3x2xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C11: rule delta has no associative form: products of its steps fill up}}
  %r:2 = hybrid.scan delta ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x3x2x8xf32>, tensor<2x3x2x5xf32>) beta(%b : tensor<2x3x2xf32>) outs(%o, %s : tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>) {form = #hybrid.scan_form<associative>, chunk = 16 : i64, scale = 1.0 : f64} -> tensor<2x3x4x5xf32>, tensor<2x2x8x5xf32>
  return
}

// -----

func.func @scan_c12_large(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x2x8xf32>, %v: tensor<2x3x2x257xf32>, %o: tensor<2x3x4x257xf32>, %s: tensor<2x2x8x257xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C12: form associative needs static head dimensions of at most 256}}
  %r:2 = hybrid.scan linear ins(%q, %k, %v : tensor<2x3x4x8xf32>, tensor<2x3x2x8xf32>, tensor<2x3x2x257xf32>) outs(%o, %s : tensor<2x3x4x257xf32>, tensor<2x2x8x257xf32>) {form = #hybrid.scan_form<associative>, chunk = 16 : i64, scale = 1.0 : f64} -> tensor<2x3x4x257xf32>, tensor<2x2x8x257xf32>
  return
}

// -----

func.func @scan_c12(%q: tensor<2x3x4x?xf32>, %k: tensor<2x3x2x?xf32>, %v: tensor<2x3x2x5xf32>, %o: tensor<2x3x4x5xf32>, %s: tensor<2x2x?x5xf32>) {
  // expected-error @+1 {{'hybrid.scan' op C12: form chunked needs static head dimensions of at most 256}}
  %r:2 = hybrid.scan linear ins(%q, %k, %v : tensor<2x3x4x?xf32>, tensor<2x3x2x?xf32>, tensor<2x3x2x5xf32>) outs(%o, %s : tensor<2x3x4x5xf32>, tensor<2x2x?x5xf32>) {form = #hybrid.scan_form<chunked>, chunk = 16 : i64, scale = 1.0 : f64} -> tensor<2x3x4x5xf32>, tensor<2x2x?x5xf32>
  return
}

// -----

func.func @causal_conv_c1(%x: tensor<1x6x5xf32>, %w: tensor<6x4xf32>, %o: tensor<1x5x6xf32>, %s: tensor<1x6x3xf32>) {
  // expected-error @+1 {{'hybrid.causal_conv' op C1: init must have shape [1,6,5], but is 'tensor<1x5x6xf32>'}}
  %r:2 = hybrid.causal_conv ins(%x, %w : tensor<1x6x5xf32>, tensor<6x4xf32>) outs(%o, %s : tensor<1x5x6xf32>, tensor<1x6x3xf32>) -> tensor<1x5x6xf32>, tensor<1x6x3xf32>
  return
}

// -----

func.func @causal_conv_c1_rank(%x: tensor<6x5xf32>, %w: tensor<6x4xf32>, %o: tensor<1x6x5xf32>, %s: tensor<1x6x3xf32>) {
  // expected-error @+1 {{'hybrid.causal_conv' op C1: input must have rank 3, but is 'tensor<6x5xf32>'}}
  %r:2 = hybrid.causal_conv ins(%x, %w : tensor<6x5xf32>, tensor<6x4xf32>) outs(%o, %s : tensor<1x6x5xf32>, tensor<1x6x3xf32>) -> tensor<1x6x5xf32>, tensor<1x6x3xf32>
  return
}

// -----

func.func @causal_conv_c2(%x: tensor<1x6x5xf32>, %w: tensor<6x1x4xf32>, %o: tensor<1x6x5xf32>, %s: tensor<1x6x3xf32>) {
  // expected-error @+1 {{'hybrid.causal_conv' op C2: weight must have shape [6] x K with K of 1 or more, but is 'tensor<6x1x4xf32>'}}
  %r:2 = hybrid.causal_conv ins(%x, %w : tensor<1x6x5xf32>, tensor<6x1x4xf32>) outs(%o, %s : tensor<1x6x5xf32>, tensor<1x6x3xf32>) -> tensor<1x6x5xf32>, tensor<1x6x3xf32>
  return
}

// -----

func.func @causal_conv_c2_empty(%x: tensor<1x6x5xf32>, %w: tensor<6x0xf32>, %o: tensor<1x6x5xf32>, %s: tensor<1x6x3xf32>) {
  // expected-error @+1 {{'hybrid.causal_conv' op C2: weight must have shape [6] x K with K of 1 or more, but is 'tensor<6x0xf32>'}}
  %r:2 = hybrid.causal_conv ins(%x, %w : tensor<1x6x5xf32>, tensor<6x0xf32>) outs(%o, %s : tensor<1x6x5xf32>, tensor<1x6x3xf32>) -> tensor<1x6x5xf32>, tensor<1x6x3xf32>
  return
}

// -----

func.func @causal_conv_c2_bias(%x: tensor<1x6x5xf32>, %w: tensor<6x4xf32>, %o: tensor<1x6x5xf32>, %s: tensor<1x6x3xf32>, %b: tensor<4xf32>) {
  // expected-error @+1 {{'hybrid.causal_conv' op C2: bias must have shape [6], but is 'tensor<4xf32>'}}
  %r:2 = hybrid.causal_conv ins(%x, %w : tensor<1x6x5xf32>, tensor<6x4xf32>) bias(%b : tensor<4xf32>) outs(%o, %s : tensor<1x6x5xf32>, tensor<1x6x3xf32>) -> tensor<1x6x5xf32>, tensor<1x6x3xf32>
  return
}

// -----

func.func @causal_conv_c3(%x: tensor<1x6x5xf32>, %w: tensor<6x4xf32>, %o: tensor<1x6x5xf32>, %s: tensor<1x6x4xf32>) {
  // expected-error @+1 {{'hybrid.causal_conv' op C3: state must have shape [1,6,3], but is 'tensor<1x6x4xf32>'}}
  %r:2 = hybrid.causal_conv ins(%x, %w : tensor<1x6x5xf32>, tensor<6x4xf32>) outs(%o, %s : tensor<1x6x5xf32>, tensor<1x6x4xf32>) -> tensor<1x6x5xf32>, tensor<1x6x4xf32>
  return
}

// -----

func.func @causal_conv_c4(%x: tensor<1x6x5xf32>, %w: tensor<6x4xi8>, %o: tensor<1x6x5xf32>, %s: tensor<1x6x3xf32>) {
  // expected-error @+1 {{'hybrid.causal_conv' op C4: weight must have a float element type, but is 'tensor<6x4xi8>'}}
  %r:2 = hybrid.causal_conv ins(%x, %w : tensor<1x6x5xf32>, tensor<6x4xi8>) outs(%o, %s : tensor<1x6x5xf32>, tensor<1x6x3xf32>) -> tensor<1x6x5xf32>, tensor<1x6x3xf32>
  return
}

// -----

func.func @causal_conv_c5(%x: tensor<1x6x5xf32>, %w: tensor<6x4xf32>, %o: tensor<1x6x5xf32>, %s: tensor<1x6x3xf32>) {
  // expected-error @+1 {{'hybrid.causal_conv' op C5: activation must be none or silu, but is sigmoid}}
  %r:2 = hybrid.causal_conv ins(%x, %w : tensor<1x6x5xf32>, tensor<6x4xf32>) outs(%o, %s : tensor<1x6x5xf32>, tensor<1x6x3xf32>) {activation = #hybrid.activation<sigmoid>} -> tensor<1x6x5xf32>, tensor<1x6x3xf32>
  return
}

// -----

func.func @rope_c1(%x: tensor<2x3x32xf32>, %c: tensor<9x4xf32>, %s: tensor<9x4xf32>, %o: tensor<2x3x32xf32>, %p: tensor<2x3xi64>) {
  // expected-error @+1 {{'hybrid.rope' op C1: input must have rank 4, but is 'tensor<2x3x32xf32>'}}
  %r = hybrid.rope ins(%x, %c, %s : tensor<2x3x32xf32>, tensor<9x4xf32>, tensor<9x4xf32>) positions(%p : tensor<2x3xi64>) outs(%o : tensor<2x3x32xf32>) {rotary_dim = 8 : i64} -> tensor<2x3x32xf32>
  return
}

// -----

func.func @rope_c1_init(%x: tensor<2x4x3x8xf32>, %c: tensor<9x4xf32>, %s: tensor<9x4xf32>, %o: tensor<2x3x4x8xf32>, %p: tensor<2x3xi64>) {
  // expected-error @+1 {{'hybrid.rope' op C1: init must have shape [2,4,3,8], but is 'tensor<2x3x4x8xf32>'}}
  %r = hybrid.rope ins(%x, %c, %s : tensor<2x4x3x8xf32>, tensor<9x4xf32>, tensor<9x4xf32>) positions(%p : tensor<2x3xi64>) outs(%o : tensor<2x3x4x8xf32>) {rotary_dim = 8 : i64} -> tensor<2x3x4x8xf32>
  return
}

// -----

func.func @rope_c2_odd(%x: tensor<2x4x3x8xf32>, %c: tensor<9x4xf32>, %s: tensor<9x4xf32>, %o: tensor<2x4x3x8xf32>, %p: tensor<2x3xi64>) {
  // expected-error @+1 {{'hybrid.rope' op C2: rotary_dim must be even, positive and at most the last dimension of the input, but is 3 for 'tensor<2x4x3x8xf32>'}}
  %r = hybrid.rope ins(%x, %c, %s : tensor<2x4x3x8xf32>, tensor<9x4xf32>, tensor<9x4xf32>) positions(%p : tensor<2x3xi64>) outs(%o : tensor<2x4x3x8xf32>) {rotary_dim = 3 : i64} -> tensor<2x4x3x8xf32>
  return
}

// -----

func.func @rope_c2_none(%x: tensor<2x4x3x8xf32>, %c: tensor<9x4xf32>, %s: tensor<9x4xf32>, %o: tensor<2x4x3x8xf32>, %p: tensor<2x3xi64>) {
  // expected-error @+1 {{'hybrid.rope' op C2: rotary_dim must be even, positive and at most the last dimension of the input, but is 0 for 'tensor<2x4x3x8xf32>'}}
  %r = hybrid.rope ins(%x, %c, %s : tensor<2x4x3x8xf32>, tensor<9x4xf32>, tensor<9x4xf32>) positions(%p : tensor<2x3xi64>) outs(%o : tensor<2x4x3x8xf32>) {rotary_dim = 0 : i64} -> tensor<2x4x3x8xf32>
  return
}

// -----

func.func @rope_c2_large(%x: tensor<2x4x3x8xf32>, %c: tensor<9x4xf32>, %s: tensor<9x4xf32>, %o: tensor<2x4x3x8xf32>, %p: tensor<2x3xi64>) {
  // expected-error @+1 {{'hybrid.rope' op C2: rotary_dim must be even, positive and at most the last dimension of the input, but is 10 for 'tensor<2x4x3x8xf32>'}}
  %r = hybrid.rope ins(%x, %c, %s : tensor<2x4x3x8xf32>, tensor<9x4xf32>, tensor<9x4xf32>) positions(%p : tensor<2x3xi64>) outs(%o : tensor<2x4x3x8xf32>) {rotary_dim = 10 : i64} -> tensor<2x4x3x8xf32>
  return
}

// -----

func.func @rope_c3(%x: tensor<2x4x3x8xf32>, %c: tensor<2x3x4xf32>, %s: tensor<2x3x4xf32>, %o: tensor<2x4x3x8xf32>, %p: tensor<2x3xi64>) {
  // expected-error @+1 {{'hybrid.rope' op C3: cos must have rank 2, but is 'tensor<2x3x4xf32>'}}
  %r = hybrid.rope ins(%x, %c, %s : tensor<2x4x3x8xf32>, tensor<2x3x4xf32>, tensor<2x3x4xf32>) positions(%p : tensor<2x3xi64>) outs(%o : tensor<2x4x3x8xf32>) {rotary_dim = 8 : i64} -> tensor<2x4x3x8xf32>
  return
}

// -----

func.func @rope_c3_sin(%x: tensor<2x4x3x8xf32>, %c: tensor<9x4xf32>, %s: tensor<9x5xf32>, %o: tensor<2x4x3x8xf32>, %p: tensor<2x3xi64>) {
  // expected-error @+1 {{'hybrid.rope' op C3: sin must have shape [9,4], but is 'tensor<9x5xf32>'}}
  %r = hybrid.rope ins(%x, %c, %s : tensor<2x4x3x8xf32>, tensor<9x4xf32>, tensor<9x5xf32>) positions(%p : tensor<2x3xi64>) outs(%o : tensor<2x4x3x8xf32>) {rotary_dim = 8 : i64} -> tensor<2x4x3x8xf32>
  return
}

// -----

func.func @rope_c3_columns(%x: tensor<2x4x3x8xf32>, %c: tensor<9x3xf32>, %s: tensor<9x3xf32>, %o: tensor<2x4x3x8xf32>, %p: tensor<2x3xi64>) {
  // expected-error @+1 {{'hybrid.rope' op C3: cos and sin need rotary_dim/2 = 4 columns, but have 3}}
  %r = hybrid.rope ins(%x, %c, %s : tensor<2x4x3x8xf32>, tensor<9x3xf32>, tensor<9x3xf32>) positions(%p : tensor<2x3xi64>) outs(%o : tensor<2x4x3x8xf32>) {rotary_dim = 8 : i64} -> tensor<2x4x3x8xf32>
  return
}

// -----

func.func @rope_c3_rows(%x: tensor<2x4x3x8xf32>, %c: tensor<2x4x4xf32>, %s: tensor<2x4x4xf32>, %o: tensor<2x4x3x8xf32>) {
  // expected-error @+1 {{'hybrid.rope' op C3: cos and sin must have shape [2,3,4] or [1,3,4], but are 'tensor<2x4x4xf32>'}}
  %r = hybrid.rope ins(%x, %c, %s : tensor<2x4x3x8xf32>, tensor<2x4x4xf32>, tensor<2x4x4xf32>) outs(%o : tensor<2x4x3x8xf32>) {rotary_dim = 8 : i64} -> tensor<2x4x3x8xf32>
  return
}

// -----

func.func @rope_c4(%x: tensor<2x4x3x8xf32>, %c: tensor<9x4xf32>, %s: tensor<9x4xf32>, %o: tensor<2x4x3x8xf32>, %p: tensor<3xi64>) {
  // expected-error @+1 {{'hybrid.rope' op C4: positions must be i64 of shape [2,3] or [1,3], but is 'tensor<3xi64>'}}
  %r = hybrid.rope ins(%x, %c, %s : tensor<2x4x3x8xf32>, tensor<9x4xf32>, tensor<9x4xf32>) positions(%p : tensor<3xi64>) outs(%o : tensor<2x4x3x8xf32>) {rotary_dim = 8 : i64} -> tensor<2x4x3x8xf32>
  return
}

// -----

func.func @rope_c4_type(%x: tensor<2x4x3x8xf32>, %c: tensor<9x4xf32>, %s: tensor<9x4xf32>, %o: tensor<2x4x3x8xf32>, %p: tensor<2x3xi32>) {
  // expected-error @+1 {{'hybrid.rope' op C4: positions must be i64 of shape [2,3] or [1,3], but is 'tensor<2x3xi32>'}}
  %r = hybrid.rope ins(%x, %c, %s : tensor<2x4x3x8xf32>, tensor<9x4xf32>, tensor<9x4xf32>) positions(%p : tensor<2x3xi32>) outs(%o : tensor<2x4x3x8xf32>) {rotary_dim = 8 : i64} -> tensor<2x4x3x8xf32>
  return
}

// -----

func.func @rope_c5(%x: tensor<2x4x3x8xf32>, %c: tensor<9x4xi32>, %s: tensor<9x4xi32>, %o: tensor<2x4x3x8xf32>, %p: tensor<2x3xi64>) {
  // expected-error @+1 {{'hybrid.rope' op C5: cos must have a float element type, but is 'tensor<9x4xi32>'}}
  %r = hybrid.rope ins(%x, %c, %s : tensor<2x4x3x8xf32>, tensor<9x4xi32>, tensor<9x4xi32>) positions(%p : tensor<2x3xi64>) outs(%o : tensor<2x4x3x8xf32>) {rotary_dim = 8 : i64} -> tensor<2x4x3x8xf32>
  return
}

// -----

func.func @norm_c1(%x: tensor<2x3x8xf32>, %o: tensor<2x8x3xf32>) {
  // expected-error @+1 {{'hybrid.norm' op C1: init must have shape [2,3,8], but is 'tensor<2x8x3xf32>'}}
  %r = hybrid.norm rms ins(%x : tensor<2x3x8xf32>) outs(%o : tensor<2x8x3xf32>) {axis = 2 : i64, epsilon = 0.0 : f64} -> tensor<2x8x3xf32>
  return
}

// -----

func.func @norm_c1_scalar(%x: tensor<f32>, %o: tensor<f32>) {
  // expected-error @+1 {{'hybrid.norm' op C1: input must have rank 1 or more, but is 'tensor<f32>'}}
  %r = hybrid.norm rms ins(%x : tensor<f32>) outs(%o : tensor<f32>) {axis = 2 : i64, epsilon = 0.0 : f64} -> tensor<f32>
  return
}

// -----

func.func @norm_c2(%x: tensor<2x3x8xf32>, %o: tensor<2x3x8xf32>) {
  // expected-error @+1 {{'hybrid.norm' op C2: axis must be between 0 and 2, but is 3}}
  %r = hybrid.norm rms ins(%x : tensor<2x3x8xf32>) outs(%o : tensor<2x3x8xf32>) {axis = 3 : i64, epsilon = 0.0 : f64} -> tensor<2x3x8xf32>
  return
}

// -----

func.func @norm_c2_negative(%x: tensor<2x3x8xf32>, %o: tensor<2x3x8xf32>) {
  // expected-error @+1 {{'hybrid.norm' op C2: axis must be between 0 and 2, but is -1}}
  %r = hybrid.norm rms ins(%x : tensor<2x3x8xf32>) outs(%o : tensor<2x3x8xf32>) {axis = -1 : i64, epsilon = 0.0 : f64} -> tensor<2x3x8xf32>
  return
}

// -----

func.func @norm_c3(%x: tensor<2x3x8xf32>, %o: tensor<2x3x8xf32>, %w: tensor<3xf32>) {
  // expected-error @+1 {{'hybrid.norm' op C3: scale must broadcast to the input's shape [2,3,8], but is 'tensor<3xf32>'}}
  %r = hybrid.norm rms ins(%x : tensor<2x3x8xf32>) scale(%w : tensor<3xf32>) outs(%o : tensor<2x3x8xf32>) {axis = 2 : i64, epsilon = 0.0 : f64} -> tensor<2x3x8xf32>
  return
}

// -----

func.func @norm_c3_bias(%x: tensor<2x3x8xf32>, %o: tensor<2x3x8xf32>, %b: tensor<1x2x3x8xf32>) {
  // expected-error @+1 {{'hybrid.norm' op C3: bias must broadcast to the input's shape [2,3,8], but is 'tensor<1x2x3x8xf32>'}}
  %r = hybrid.norm rms ins(%x : tensor<2x3x8xf32>) bias(%b : tensor<1x2x3x8xf32>) outs(%o : tensor<2x3x8xf32>) {axis = 2 : i64, epsilon = 0.0 : f64} -> tensor<2x3x8xf32>
  return
}

// -----

func.func @norm_c4(%x: tensor<2x3x8xf32>, %o: tensor<2x3x8xf32>) {
  // expected-error @+1 {{'hybrid.norm' op C4: epsilon must be 0 or more, but is -1.0}}
  %r = hybrid.norm rms ins(%x : tensor<2x3x8xf32>) outs(%o : tensor<2x3x8xf32>) {axis = 2 : i64, epsilon = -1.0 : f64} -> tensor<2x3x8xf32>
  return
}

// -----

func.func @norm_c4_nan(%x: tensor<2x3x8xf32>, %o: tensor<2x3x8xf32>) {
  // expected-error @+1 {{'hybrid.norm' op C4: epsilon must be 0 or more, but is}}
  %r = hybrid.norm rms ins(%x : tensor<2x3x8xf32>) outs(%o : tensor<2x3x8xf32>) {axis = 2 : i64, epsilon = 0x7FF8000000000000 : f64} -> tensor<2x3x8xf32>
  return
}

// -----

func.func @norm_c5(%x: tensor<2x3x8xf32>, %o: tensor<2x3x8xf32>) {
  // expected-error @+1 {{'hybrid.norm' op C5: group_size needs the last dimension, 2, as axis, but axis is 1}}
  %r = hybrid.norm rms ins(%x : tensor<2x3x8xf32>) outs(%o : tensor<2x3x8xf32>) {axis = 1 : i64, epsilon = 0.0 : f64, group_size = 4 : i64} -> tensor<2x3x8xf32>
  return
}

// -----

func.func @norm_c5_divides(%x: tensor<2x3x8xf32>, %o: tensor<2x3x8xf32>) {
  // expected-error @+1 {{'hybrid.norm' op C5: group_size 3 does not divide the 8 elements that are normalised together}}
  %r = hybrid.norm rms ins(%x : tensor<2x3x8xf32>) outs(%o : tensor<2x3x8xf32>) {axis = 2 : i64, epsilon = 0.0 : f64, group_size = 3 : i64} -> tensor<2x3x8xf32>
  return
}

// -----

func.func @norm_c5_negative(%x: tensor<2x3x8xf32>, %o: tensor<2x3x8xf32>) {
  // expected-error @+1 {{'hybrid.norm' op C5: group_size must be 0 or more, but is -4}}
  %r = hybrid.norm rms ins(%x : tensor<2x3x8xf32>) outs(%o : tensor<2x3x8xf32>) {axis = 2 : i64, epsilon = 0.0 : f64, group_size = -4 : i64} -> tensor<2x3x8xf32>
  return
}

// -----

func.func @norm_c6(%x: tensor<2x3x8xi32>, %o: tensor<2x3x8xi32>) {
  // expected-error @+1 {{'hybrid.norm' op C6: input must have a float element type, but is 'tensor<2x3x8xi32>'}}
  %r = hybrid.norm rms ins(%x : tensor<2x3x8xi32>) outs(%o : tensor<2x3x8xi32>) {axis = 2 : i64, epsilon = 0.0 : f64} -> tensor<2x3x8xi32>
  return
}

// -----

func.func @norm_c6_scale(%x: tensor<2x3x8xf32>, %o: tensor<2x3x8xf32>, %w: tensor<8xi32>) {
  // expected-error @+1 {{'hybrid.norm' op C6: scale must have a float element type, but is 'tensor<8xi32>'}}
  %r = hybrid.norm rms ins(%x : tensor<2x3x8xf32>) scale(%w : tensor<8xi32>) outs(%o : tensor<2x3x8xf32>) {axis = 2 : i64, epsilon = 0.0 : f64} -> tensor<2x3x8xf32>
  return
}

// -----

func.func @norm_c7(%x: tensor<2x3x8xf32>, %o: tensor<2x3x8xf32>) {
  // expected-error @+1 {{'hybrid.norm' op C7: zero_centered needs a scale}}
  %r = hybrid.norm rms ins(%x : tensor<2x3x8xf32>) outs(%o : tensor<2x3x8xf32>) {axis = 2 : i64, epsilon = 0.0 : f64, zero_centered} -> tensor<2x3x8xf32>
  return
}

// -----

func.func @gated_norm_c1(%x: tensor<2x8xf32>, %z: tensor<2x4xf32>, %o: tensor<2x8xf32>) {
  // expected-error @+1 {{'hybrid.gated_norm' op C1: gate must have shape [2,8], but is 'tensor<2x4xf32>'}}
  %r = hybrid.gated_norm gate_first ins(%x, %z : tensor<2x8xf32>, tensor<2x4xf32>) outs(%o : tensor<2x8xf32>) {activation = #hybrid.activation<silu>, epsilon = 0.0 : f64} -> tensor<2x8xf32>
  return
}

// -----

func.func @gated_norm_c2(%x: tensor<2x8xf32>, %z: tensor<2x8xf32>, %o: tensor<2x8xf32>, %w: tensor<4xf32>) {
  // expected-error @+1 {{'hybrid.gated_norm' op C2: scale must have shape [8], but is 'tensor<4xf32>'}}
  %r = hybrid.gated_norm gate_first ins(%x, %z : tensor<2x8xf32>, tensor<2x8xf32>) scale(%w : tensor<4xf32>) outs(%o : tensor<2x8xf32>) {activation = #hybrid.activation<silu>, epsilon = 0.0 : f64} -> tensor<2x8xf32>
  return
}

// -----

func.func @gated_norm_c2_group(%x: tensor<2x8xf32>, %z: tensor<2x8xf32>, %o: tensor<2x8xf32>, %w: tensor<2xf32>) {
  // expected-error @+1 {{'hybrid.gated_norm' op C2: scale must have shape [8] or [4], but is 'tensor<2xf32>'}}
  %r = hybrid.gated_norm gate_first ins(%x, %z : tensor<2x8xf32>, tensor<2x8xf32>) scale(%w : tensor<2xf32>) outs(%o : tensor<2x8xf32>) {activation = #hybrid.activation<silu>, epsilon = 0.0 : f64, group_size = 4 : i64} -> tensor<2x8xf32>
  return
}

// -----

func.func @gated_norm_c3(%x: tensor<2x8xf32>, %z: tensor<2x8xf32>, %o: tensor<2x8xf32>) {
  // expected-error @+1 {{'hybrid.gated_norm' op C3: group_size 3 does not divide the 8 elements that are normalised together}}
  %r = hybrid.gated_norm gate_first ins(%x, %z : tensor<2x8xf32>, tensor<2x8xf32>) outs(%o : tensor<2x8xf32>) {activation = #hybrid.activation<silu>, epsilon = 0.0 : f64, group_size = 3 : i64} -> tensor<2x8xf32>
  return
}

// -----

func.func @gated_norm_c4(%x: tensor<2x8xf32>, %z: tensor<2x8xf32>, %o: tensor<2x8xf32>) {
  // expected-error @+1 {{'hybrid.gated_norm' op C4: epsilon must be 0 or more, but is -1.0}}
  %r = hybrid.gated_norm gate_first ins(%x, %z : tensor<2x8xf32>, tensor<2x8xf32>) outs(%o : tensor<2x8xf32>) {activation = #hybrid.activation<silu>, epsilon = -1.0 : f64} -> tensor<2x8xf32>
  return
}

// -----

func.func @gated_norm_c5(%x: tensor<2x8xf32>, %z: tensor<2x8xi1>, %o: tensor<2x8xf32>) {
  // expected-error @+1 {{'hybrid.gated_norm' op C5: gate must have a float element type, but is 'tensor<2x8xi1>'}}
  %r = hybrid.gated_norm gate_first ins(%x, %z : tensor<2x8xf32>, tensor<2x8xi1>) outs(%o : tensor<2x8xf32>) {activation = #hybrid.activation<silu>, epsilon = 0.0 : f64} -> tensor<2x8xf32>
  return
}

// -----

func.func @gated_norm_c6(%x: tensor<2x8xf32>, %z: tensor<2x8xf32>, %o: tensor<2x8xf32>) {
  // expected-error @+1 {{'hybrid.gated_norm' op C6: activation must be silu or sigmoid, but is none}}
  %r = hybrid.gated_norm gate_first ins(%x, %z : tensor<2x8xf32>, tensor<2x8xf32>) outs(%o : tensor<2x8xf32>) {activation = #hybrid.activation<none>, epsilon = 0.0 : f64} -> tensor<2x8xf32>
  return
}

// -----

func.func @cache_append_c1(%x: tensor<2x3x8xf32>, %c: tensor<1x2x9x8xf32>, %p: index) {
  // expected-error @+1 {{'hybrid.cache_append' op C1: input must have rank 4, but is 'tensor<2x3x8xf32>'}}
  %r = hybrid.cache_append ins(%x : tensor<2x3x8xf32>) at(%p) outs(%c : tensor<1x2x9x8xf32>) -> tensor<1x2x9x8xf32>
  return
}

// -----

func.func @cache_append_c2(%x: tensor<1x2x3x8xf32>, %c: tensor<1x2x9x8xf32>, %p: index) {
  // expected-error @+1 {{'hybrid.cache_append' op C2: cache must have shape [1,3,?,8] for input 'tensor<1x2x3x8xf32>', but is 'tensor<1x2x9x8xf32>'}}
  %r = hybrid.cache_append ins(%x : tensor<1x2x3x8xf32>) at(%p) outs(%c : tensor<1x2x9x8xf32>) {layout = #hybrid.layout<bthd>} -> tensor<1x2x9x8xf32>
  return
}

// -----

func.func @cache_append_c3(%x: tensor<1x2x3x8xf32>, %c: tensor<1x2x9x8xbf16>, %p: index) {
  // expected-error @+1 {{'hybrid.cache_append' op C3: element types of input and cache differ: 'f32' and 'bf16'}}
  %r = hybrid.cache_append ins(%x : tensor<1x2x3x8xf32>) at(%p) outs(%c : tensor<1x2x9x8xbf16>) -> tensor<1x2x9x8xbf16>
  return
}

// -----

func.func @cache_append_c4(%x: tensor<2x2x3x8xf32>, %c: tensor<2x2x9x8xf32>, %p: index, %ps: tensor<2xi32>) {
  // expected-error @+1 {{'hybrid.cache_append' op C4: positions must have element type i64, but is 'tensor<2xi32>'}}
  %r = hybrid.cache_append ins(%x : tensor<2x2x3x8xf32>) at(%p) positions(%ps : tensor<2xi32>) outs(%c : tensor<2x2x9x8xf32>) -> tensor<2x2x9x8xf32>
  return
}

// -----

func.func @cache_append_c4_shape(%x: tensor<2x2x3x8xf32>, %c: tensor<2x2x9x8xf32>, %p: index, %ps: tensor<3xi64>) {
  // expected-error @+1 {{'hybrid.cache_append' op C4: positions must have shape [2], but is 'tensor<3xi64>'}}
  %r = hybrid.cache_append ins(%x : tensor<2x2x3x8xf32>) at(%p) positions(%ps : tensor<3xi64>) outs(%c : tensor<2x2x9x8xf32>) -> tensor<2x2x9x8xf32>
  return
}

// -----

func.func @cache_append_c5(%x: tensor<2x2x3x8xf32>, %c: tensor<2x2x9x8xf32>, %p: index) {
  // expected-error @+1 {{'hybrid.cache_append' op C5: sink_prefix needs ring}}
  %r = hybrid.cache_append ins(%x : tensor<2x2x3x8xf32>) at(%p) outs(%c : tensor<2x2x9x8xf32>) {sink_prefix = 1 : i64} -> tensor<2x2x9x8xf32>
  return
}

// -----

func.func @cache_append_c5_static(%x: tensor<2x2x3x8xf32>, %c: tensor<2x2x?x8xf32>, %p: index) {
  // expected-error @+1 {{'hybrid.cache_append' op C5: the positions of a ring must be static, but cache is 'tensor<2x2x?x8xf32>'}}
  %r = hybrid.cache_append ins(%x : tensor<2x2x3x8xf32>) at(%p) outs(%c : tensor<2x2x?x8xf32>) {ring} -> tensor<2x2x?x8xf32>
  return
}

// -----

func.func @cache_append_c5_range(%x: tensor<2x2x3x8xf32>, %c: tensor<2x2x9x8xf32>, %p: index) {
  // expected-error @+1 {{'hybrid.cache_append' op C5: sink_prefix must be between 0 and 8, but is 9}}
  %r = hybrid.cache_append ins(%x : tensor<2x2x3x8xf32>) at(%p) outs(%c : tensor<2x2x9x8xf32>) {ring, sink_prefix = 9 : i64} -> tensor<2x2x9x8xf32>
  return
}

// -----

func.func @ring_read_c1(%x: tensor<2x3x8xf32>, %c: tensor<1x2x9x8xf32>, %o: tensor<1x2x12x8xf32>, %ps: tensor<1xi64>) {
  // expected-error @+1 {{'hybrid.ring_read' op C1: input must have rank 4, but is 'tensor<2x3x8xf32>'}}
  %r = hybrid.ring_read ins(%c, %x : tensor<1x2x9x8xf32>, tensor<2x3x8xf32>) positions(%ps : tensor<1xi64>) outs(%o : tensor<1x2x12x8xf32>) -> tensor<1x2x12x8xf32>
  return
}

// -----

func.func @ring_read_c2(%x: tensor<1x2x3x8xf32>, %c: tensor<1x2x9x8xf32>, %o: tensor<1x2x13x8xf32>, %ps: tensor<1xi64>) {
  // expected-error @+1 {{'hybrid.ring_read' op C2: init must have shape [1,2,12,8], but is 'tensor<1x2x13x8xf32>'}}
  %r = hybrid.ring_read ins(%c, %x : tensor<1x2x9x8xf32>, tensor<1x2x3x8xf32>) positions(%ps : tensor<1xi64>) outs(%o : tensor<1x2x13x8xf32>) -> tensor<1x2x13x8xf32>
  return
}

// -----

func.func @ring_read_c2_heads(%x: tensor<1x2x3x8xf32>, %c: tensor<1x2x9x8xf32>, %o: tensor<1x2x12x8xf32>, %ps: tensor<1xi64>) {
  // expected-error @+1 {{'hybrid.ring_read' op C2: ring must have shape [1,3,9,8], but is 'tensor<1x2x9x8xf32>'}}
  %r = hybrid.ring_read ins(%c, %x : tensor<1x2x9x8xf32>, tensor<1x2x3x8xf32>) positions(%ps : tensor<1xi64>) outs(%o : tensor<1x2x12x8xf32>) {layout = #hybrid.layout<bthd>} -> tensor<1x2x12x8xf32>
  return
}

// -----

func.func @ring_read_c3(%x: tensor<1x2x3x8xf32>, %c: tensor<1x2x9x8xf16>, %o: tensor<1x2x12x8xf32>, %ps: tensor<1xi64>) {
  // expected-error @+1 {{'hybrid.ring_read' op C3: element types of input and ring differ: 'f32' and 'f16'}}
  %r = hybrid.ring_read ins(%c, %x : tensor<1x2x9x8xf16>, tensor<1x2x3x8xf32>) positions(%ps : tensor<1xi64>) outs(%o : tensor<1x2x12x8xf32>) -> tensor<1x2x12x8xf32>
  return
}

// -----

func.func @ring_read_c4(%x: tensor<1x2x3x8xf32>, %c: tensor<1x2x9x8xf32>, %o: tensor<1x2x12x8xf32>, %ps: tensor<2xi64>) {
  // expected-error @+1 {{'hybrid.ring_read' op C4: positions must have shape [1], but is 'tensor<2xi64>'}}
  %r = hybrid.ring_read ins(%c, %x : tensor<1x2x9x8xf32>, tensor<1x2x3x8xf32>) positions(%ps : tensor<2xi64>) outs(%o : tensor<1x2x12x8xf32>) -> tensor<1x2x12x8xf32>
  return
}

// -----

func.func @ring_read_c5(%x: tensor<1x2x3x8xf32>, %c: tensor<1x2x9x8xf32>, %o: tensor<1x2x12x8xf32>, %ps: tensor<1xi64>) {
  // expected-error @+1 {{'hybrid.ring_read' op C5: sink_prefix must be between 0 and 8, but is 9}}
  %r = hybrid.ring_read ins(%c, %x : tensor<1x2x9x8xf32>, tensor<1x2x3x8xf32>) positions(%ps : tensor<1xi64>) outs(%o : tensor<1x2x12x8xf32>) {sink_prefix = 9 : i64} -> tensor<1x2x12x8xf32>
  return
}

// -----

func.func @cumsum_c1(%x: tensor<2x3xf32>, %o: tensor<3x2xf32>) {
  // expected-error @+1 {{'hybrid.cumsum' op C1: init must have shape [2,3], but is 'tensor<3x2xf32>'}}
  %r = hybrid.cumsum ins(%x : tensor<2x3xf32>) outs(%o : tensor<3x2xf32>) {axis = 0 : i64} -> tensor<3x2xf32>
  return
}

// -----

func.func @cumsum_c1_type(%x: tensor<2x3xf32>, %o: tensor<2x3xf64>) {
  // expected-error @+1 {{'hybrid.cumsum' op C1: element types of input and init differ: 'f32' and 'f64'}}
  %r = hybrid.cumsum ins(%x : tensor<2x3xf32>) outs(%o : tensor<2x3xf64>) {axis = 0 : i64} -> tensor<2x3xf64>
  return
}

// -----

func.func @cumsum_c2(%x: tensor<2x3xf32>, %o: tensor<2x3xf32>) {
  // expected-error @+1 {{'hybrid.cumsum' op C2: axis must be between 0 and 1, but is 2}}
  %r = hybrid.cumsum ins(%x : tensor<2x3xf32>) outs(%o : tensor<2x3xf32>) {axis = 2 : i64} -> tensor<2x3xf32>
  return
}

// -----

func.func @cumsum_c3(%x: tensor<2x3xcomplex<f32>>, %o: tensor<2x3xcomplex<f32>>) {
  // expected-error @+1 {{'hybrid.cumsum' op C3: the element type must be an integer or float, but is 'complex<f32>'}}
  %r = hybrid.cumsum ins(%x : tensor<2x3xcomplex<f32>>) outs(%o : tensor<2x3xcomplex<f32>>) {axis = 0 : i64} -> tensor<2x3xcomplex<f32>>
  return
}

// -----

func.func @expert_matmul_c1(%x: tensor<3x8xf32>, %w: tensor<5x8xf32>, %e: tensor<6xi64>, %o: tensor<6x5xf32>) {
  // expected-error @+1 {{'hybrid.expert_matmul' op C1: weight must have rank 3, but is 'tensor<5x8xf32>'}}
  %r = hybrid.expert_matmul ins(%x, %w : tensor<3x8xf32>, tensor<5x8xf32>) experts(%e : tensor<6xi64>) outs(%o : tensor<6x5xf32>) {chosen = 2 : i64} -> tensor<6x5xf32>
  return
}

// -----

func.func @expert_matmul_c1_rows(%x: tensor<1x3x8xf32>, %w: tensor<4x5x8xf32>, %e: tensor<6xi64>, %o: tensor<6x5xf32>) {
  // expected-error @+1 {{'hybrid.expert_matmul' op C1: input must have rank 2, but is 'tensor<1x3x8xf32>'}}
  %r = hybrid.expert_matmul ins(%x, %w : tensor<1x3x8xf32>, tensor<4x5x8xf32>) experts(%e : tensor<6xi64>) outs(%o : tensor<6x5xf32>) {chosen = 2 : i64} -> tensor<6x5xf32>
  return
}

// -----

func.func @expert_matmul_c2(%x: tensor<3x8xf32>, %w: tensor<4x5x7xf32>, %e: tensor<6xi64>, %o: tensor<6x5xf32>) {
  // expected-error @+1 {{'hybrid.expert_matmul' op C2: rows of input and of weight's matrices differ in length: 8 and 7}}
  %r = hybrid.expert_matmul ins(%x, %w : tensor<3x8xf32>, tensor<4x5x7xf32>) experts(%e : tensor<6xi64>) outs(%o : tensor<6x5xf32>) {chosen = 2 : i64} -> tensor<6x5xf32>
  return
}

// -----

func.func @expert_matmul_c2_transposed(%x: tensor<3x8xf32>, %w: tensor<4x5x8xf32>, %e: tensor<6xi64>, %o: tensor<6x5xf32>) {
  // expected-error @+1 {{'hybrid.expert_matmul' op C2: rows of input and of weight's matrices differ in length: 8 and 5}}
  %r = hybrid.expert_matmul ins(%x, %w : tensor<3x8xf32>, tensor<4x5x8xf32>) experts(%e : tensor<6xi64>) outs(%o : tensor<6x5xf32>) {chosen = 2 : i64, transposed} -> tensor<6x5xf32>
  return
}

// -----

func.func @expert_matmul_c2_init(%x: tensor<3x8xf32>, %w: tensor<4x5x8xf32>, %e: tensor<6xi64>, %o: tensor<6x4xf32>) {
  // expected-error @+1 {{'hybrid.expert_matmul' op C2: init must have shape [6,5], but is 'tensor<6x4xf32>'}}
  %r = hybrid.expert_matmul ins(%x, %w : tensor<3x8xf32>, tensor<4x5x8xf32>) experts(%e : tensor<6xi64>) outs(%o : tensor<6x4xf32>) {chosen = 2 : i64} -> tensor<6x4xf32>
  return
}

// -----

func.func @expert_matmul_c3(%x: tensor<3x8xf32>, %w: tensor<4x5x8xf32>, %e: tensor<6xi32>, %o: tensor<6x5xf32>) {
  // expected-error @+1 {{'hybrid.expert_matmul' op C3: experts must have element type i64, but is 'tensor<6xi32>'}}
  %r = hybrid.expert_matmul ins(%x, %w : tensor<3x8xf32>, tensor<4x5x8xf32>) experts(%e : tensor<6xi32>) outs(%o : tensor<6x5xf32>) {chosen = 2 : i64} -> tensor<6x5xf32>
  return
}

// -----

func.func @expert_matmul_c3_shape(%x: tensor<3x8xf32>, %w: tensor<4x5x8xf32>, %e: tensor<3xi64>, %o: tensor<6x5xf32>) {
  // expected-error @+1 {{'hybrid.expert_matmul' op C3: experts must have shape [6], but is 'tensor<3xi64>'}}
  %r = hybrid.expert_matmul ins(%x, %w : tensor<3x8xf32>, tensor<4x5x8xf32>) experts(%e : tensor<3xi64>) outs(%o : tensor<6x5xf32>) {chosen = 2 : i64} -> tensor<6x5xf32>
  return
}

// -----

func.func @expert_matmul_c4(%x: tensor<3x8xf32>, %w: tensor<4x5x8xf32>, %e: tensor<6xi64>, %o: tensor<6x5xf32>) {
  // expected-error @+1 {{'hybrid.expert_matmul' op C4: chosen must be 1 or more, but is 0}}
  %r = hybrid.expert_matmul ins(%x, %w : tensor<3x8xf32>, tensor<4x5x8xf32>) experts(%e : tensor<6xi64>) outs(%o : tensor<6x5xf32>) {chosen = 0 : i64} -> tensor<6x5xf32>
  return
}

// -----

func.func @expert_matmul_c4_rows(%x: tensor<3x8xf32>, %w: tensor<4x5x8xf32>, %e: tensor<6xi64>, %o: tensor<6x5xf32>) {
  // expected-error @+1 {{'hybrid.expert_matmul' op C4: init has 6 rows, but 3 experts of each of 3 input rows}}
  %r = hybrid.expert_matmul ins(%x, %w : tensor<3x8xf32>, tensor<4x5x8xf32>) experts(%e : tensor<6xi64>) outs(%o : tensor<6x5xf32>) {chosen = 3 : i64} -> tensor<6x5xf32>
  return
}

// -----

func.func @expert_matmul_c5(%x: tensor<3x8xf32>, %w: tensor<4x5x8xi8>, %e: tensor<6xi64>, %o: tensor<6x5xf32>) {
  // expected-error @+1 {{'hybrid.expert_matmul' op C5: weight must have a float element type, but is 'tensor<4x5x8xi8>'}}
  %r = hybrid.expert_matmul ins(%x, %w : tensor<3x8xf32>, tensor<4x5x8xi8>) experts(%e : tensor<6xi64>) outs(%o : tensor<6x5xf32>) {chosen = 2 : i64} -> tensor<6x5xf32>
  return
}

// -----

func.func @route_c1(%l: tensor<8xf32>, %b: tensor<8xf32>, %e: tensor<3x2xi64>, %w: tensor<3x2xf32>) {
  // expected-error @+1 {{'hybrid.route' op C1: logits must have rank 2, but is 'tensor<8xf32>'}}
  %r:2 = hybrid.route sigmoid ins(%l : tensor<8xf32>) bias(%b : tensor<8xf32>) outs(%e, %w : tensor<3x2xi64>, tensor<3x2xf32>) -> tensor<3x2xi64>, tensor<3x2xf32>
  return
}

// -----

func.func @route_c1_bias(%l: tensor<3x8xf32>, %b: tensor<1x8xf32>, %e: tensor<3x2xi64>, %w: tensor<3x2xf32>) {
  // expected-error @+1 {{'hybrid.route' op C1: bias must have rank 1, but is 'tensor<1x8xf32>'}}
  %r:2 = hybrid.route sigmoid ins(%l : tensor<3x8xf32>) bias(%b : tensor<1x8xf32>) outs(%e, %w : tensor<3x2xi64>, tensor<3x2xf32>) -> tensor<3x2xi64>, tensor<3x2xf32>
  return
}

// -----

func.func @route_c2(%l: tensor<3x8xf32>, %b: tensor<7xf32>, %e: tensor<3x2xi64>, %w: tensor<3x2xf32>) {
  // expected-error @+1 {{'hybrid.route' op C2: bias must have shape [8], but is 'tensor<7xf32>'}}
  %r:2 = hybrid.route sigmoid ins(%l : tensor<3x8xf32>) bias(%b : tensor<7xf32>) outs(%e, %w : tensor<3x2xi64>, tensor<3x2xf32>) -> tensor<3x2xi64>, tensor<3x2xf32>
  return
}

// -----

func.func @route_c2_experts(%l: tensor<3x8xf32>, %b: tensor<8xf32>, %e: tensor<3x1xi64>, %w: tensor<3x2xf32>) {
  // expected-error @+1 {{'hybrid.route' op C2: experts must have shape [3,2], but is 'tensor<3x1xi64>'}}
  %r:2 = hybrid.route sigmoid ins(%l : tensor<3x8xf32>) bias(%b : tensor<8xf32>) outs(%e, %w : tensor<3x1xi64>, tensor<3x2xf32>) -> tensor<3x1xi64>, tensor<3x2xf32>
  return
}

// -----

func.func @route_c2_rows(%l: tensor<3x8xf32>, %b: tensor<8xf32>, %e: tensor<4x2xi64>, %w: tensor<4x2xf32>) {
  // expected-error @+1 {{'hybrid.route' op C2: experts must have shape [3,2], but is 'tensor<4x2xi64>'}}
  %r:2 = hybrid.route sigmoid ins(%l : tensor<3x8xf32>) bias(%b : tensor<8xf32>) outs(%e, %w : tensor<4x2xi64>, tensor<4x2xf32>) -> tensor<4x2xi64>, tensor<4x2xf32>
  return
}

// -----

func.func @route_c3(%l: tensor<3x8xf32>, %b: tensor<8xf32>, %e: tensor<3x9xi64>, %w: tensor<3x9xf32>) {
  // expected-error @+1 {{'hybrid.route' op C3: of [8] experts [9] are chosen}}
  %r:2 = hybrid.route sigmoid ins(%l : tensor<3x8xf32>) bias(%b : tensor<8xf32>) outs(%e, %w : tensor<3x9xi64>, tensor<3x9xf32>) -> tensor<3x9xi64>, tensor<3x9xf32>
  return
}

// -----

func.func @route_c3_dynamic(%l: tensor<3x8xf32>, %b: tensor<8xf32>, %e: tensor<3x?xi64>, %w: tensor<3x?xf32>) {
  // expected-error @+1 {{'hybrid.route' op C3: of [8] experts [?] are chosen}}
  %r:2 = hybrid.route sigmoid ins(%l : tensor<3x8xf32>) bias(%b : tensor<8xf32>) outs(%e, %w : tensor<3x?xi64>, tensor<3x?xf32>) -> tensor<3x?xi64>, tensor<3x?xf32>
  return
}

// -----

func.func @route_c4(%l: tensor<3x8xf32>, %b: tensor<8xf32>, %e: tensor<3x2xi32>, %w: tensor<3x2xf32>) {
  // expected-error @+1 {{'hybrid.route' op C4: experts must have element type i64, but is 'tensor<3x2xi32>'}}
  %r:2 = hybrid.route sigmoid ins(%l : tensor<3x8xf32>) bias(%b : tensor<8xf32>) outs(%e, %w : tensor<3x2xi32>, tensor<3x2xf32>) -> tensor<3x2xi32>, tensor<3x2xf32>
  return
}

// -----

func.func @route_c4_bias(%l: tensor<3x8xf32>, %b: tensor<8xi32>, %e: tensor<3x2xi64>, %w: tensor<3x2xf32>) {
  // expected-error @+1 {{'hybrid.route' op C4: bias must have a float element type, but is 'tensor<8xi32>'}}
  %r:2 = hybrid.route sigmoid ins(%l : tensor<3x8xf32>) bias(%b : tensor<8xi32>) outs(%e, %w : tensor<3x2xi64>, tensor<3x2xf32>) -> tensor<3x2xi64>, tensor<3x2xf32>
  return
}

// -----

func.func @route_c5(%l: tensor<3x8xf32>, %b: tensor<8xf32>, %e: tensor<3x2xi64>, %w: tensor<3x2xf32>) {
  // expected-error @+1 {{'hybrid.route' op C5: epsilon is -1.0}}
  %r:2 = hybrid.route sigmoid ins(%l : tensor<3x8xf32>) bias(%b : tensor<8xf32>) outs(%e, %w : tensor<3x2xi64>, tensor<3x2xf32>) {epsilon = -1.0 : f64, weight = #hybrid.route_weight<share>} -> tensor<3x2xi64>, tensor<3x2xf32>
  return
}

// -----

func.func @route_c5_weight(%l: tensor<3x8xf32>, %b: tensor<8xf32>, %e: tensor<3x2xi64>, %w: tensor<3x2xf32>) {
  // expected-error @+1 {{'hybrid.route' op C5: epsilon is 1.0}}
  %r:2 = hybrid.route sigmoid ins(%l : tensor<3x8xf32>) bias(%b : tensor<8xf32>) outs(%e, %w : tensor<3x2xi64>, tensor<3x2xf32>) {epsilon = 1.0 : f64} -> tensor<3x2xi64>, tensor<3x2xf32>
  return
}

// -----

func.func @route_c6(%l: tensor<3x8xf32>, %e: tensor<3x2xi64>, %w: tensor<3x2xf32>) {
  // expected-error @+1 {{'hybrid.route' op C6: [8] experts cannot be in 3 groups}}
  %r:2 = hybrid.route sigmoid ins(%l : tensor<3x8xf32>) outs(%e, %w : tensor<3x2xi64>, tensor<3x2xf32>) {groups = 3 : i64} -> tensor<3x2xi64>, tensor<3x2xf32>
  return
}

// -----

func.func @route_c6_dynamic(%l: tensor<3x?xf32>, %e: tensor<3x2xi64>, %w: tensor<3x2xf32>) {
  // expected-error @+1 {{'hybrid.route' op C6: [?] experts cannot be in 4 groups}}
  %r:2 = hybrid.route sigmoid ins(%l : tensor<3x?xf32>) outs(%e, %w : tensor<3x2xi64>, tensor<3x2xf32>) {groups = 4 : i64} -> tensor<3x2xi64>, tensor<3x2xf32>
  return
}

// -----

func.func @route_c7(%l: tensor<3x8xf32>, %e: tensor<3x2xi64>, %w: tensor<3x2xf32>) {
  // expected-error @+1 {{'hybrid.route' op C7: of 4 groups 5 are chosen}}
  %r:2 = hybrid.route sigmoid ins(%l : tensor<3x8xf32>) outs(%e, %w : tensor<3x2xi64>, tensor<3x2xf32>) {chosen_groups = 5 : i64, groups = 4 : i64} -> tensor<3x2xi64>, tensor<3x2xf32>
  return
}

// -----

func.func @route_c7_best(%l: tensor<3x8xf32>, %e: tensor<3x2xi64>, %w: tensor<3x2xf32>) {
  // expected-error @+1 {{'hybrid.route' op C7: a group is worth the sum of its best 3}}
  %r:2 = hybrid.route sigmoid ins(%l : tensor<3x8xf32>) outs(%e, %w : tensor<3x2xi64>, tensor<3x2xf32>) {group_best = 3 : i64, groups = 4 : i64} -> tensor<3x2xi64>, tensor<3x2xf32>
  return
}

// -----

func.func @parallel_c1(%a: tensor<2xf32>) {
  // expected-error @+1 {{'hybrid.parallel' op C1: needs at least two branches, but has 1}}
  %r = hybrid.parallel add {
    hybrid.yield %a : tensor<2xf32>
  } : tensor<2xf32>
  return
}

// -----

func.func @parallel_c2(%a: tensor<2xf32>) {
  // expected-error @+1 {{'hybrid.parallel' op C2: a branch must yield at least one value}}
  %r = hybrid.parallel add {
    hybrid.yield %a : tensor<2xf32>
  }, {
    hybrid.yield
  } : tensor<2xf32>
  return
}

// -----

func.func @parallel_c2_type(%a: tensor<2xf32>, %b: tensor<2xi32>) {
  // expected-error @+1 {{'hybrid.parallel' op C2: a branch must yield a ranked float tensor, but yields 'tensor<2xi32>'}}
  %r = hybrid.parallel add {
    hybrid.yield %a : tensor<2xf32>
  }, {
    hybrid.yield %b : tensor<2xi32>
  } : tensor<2xf32>
  return
}

// -----

func.func @parallel_c2_arguments(%a: tensor<2xf32>) {
  // expected-error @+1 {{'hybrid.parallel' op C2: a branch takes no arguments}}
  %r = "hybrid.parallel"() <{combine = #hybrid<combine add>}> ({
  ^bb0(%x: f32):
    hybrid.yield %a : tensor<2xf32>
  }, {
    hybrid.yield %a : tensor<2xf32>
  }) : () -> tensor<2xf32>
  return
}

// -----

func.func @parallel_c3(%a: tensor<2xf32>, %b: tensor<3xf32>) {
  // expected-error @+1 {{'hybrid.parallel' op C3: a branch of type 'tensor<3xf32>' does not fit the result 'tensor<2xf32>'}}
  %r = hybrid.parallel add {
    hybrid.yield %a : tensor<2xf32>
  }, {
    hybrid.yield %b : tensor<3xf32>
  } : tensor<2xf32>
  return
}

// -----

func.func @parallel_c3_concat(%a: tensor<2xf32>, %b: tensor<3xf32>) {
  // expected-error @+1 {{'hybrid.parallel' op C3: the last dimensions of the branches add up to 5, but the result is 'tensor<4xf32>'}}
  %r = hybrid.parallel concat {
    hybrid.yield %a : tensor<2xf32>
  }, {
    hybrid.yield %b : tensor<3xf32>
  } : tensor<4xf32>
  return
}

// -----

func.func @parallel_c3_scalar(%a: tensor<f32>, %b: tensor<f32>) {
  // expected-error @+1 {{'hybrid.parallel' op C3: a branch of type 'tensor<f32>' does not fit the result 'tensor<f32>'}}
  %r = hybrid.parallel concat {
    hybrid.yield %a : tensor<f32>
  }, {
    hybrid.yield %b : tensor<f32>
  } : tensor<f32>
  return
}

// -----

func.func @parallel_c4(%a: tensor<2xf32>, %b: tensor<2xf32>) {
  // expected-error @+1 {{'hybrid.parallel' op C4: combine weighted takes 2 weights, but has 0}}
  %r = hybrid.parallel weighted {
    hybrid.yield %a : tensor<2xf32>
  }, {
    hybrid.yield %b : tensor<2xf32>
  } : tensor<2xf32>
  return
}

// -----

func.func @parallel_c5(%a: tensor<2xf32>, %s: tensor<3xf32>) {
  // expected-error @+1 {{'hybrid.parallel' op C5: the branches yield 1 other values, of types ('tensor<3xf32>'), but there are 1 other results, of types ('tensor<2xf32>')}}
  %r:2 = hybrid.parallel add {
    hybrid.yield %a : tensor<2xf32>
  }, {
    hybrid.yield %a, %s : tensor<2xf32>, tensor<3xf32>
  } : tensor<2xf32>, tensor<2xf32>
  return
}

// -----

func.func @matmul_c1(%x: tensor<4xf32>, %w: tensor<3x64x32xf32>, %o: tensor<4x80xf32>) {
  // expected-error @+1 {{'hybrid.matmul' op C1: input, weight and init must have rank 2 (or 5), 3 and 2, but are 'tensor<4xf32>', 'tensor<3x64x32xf32>' and 'tensor<4x80xf32>'}}
  %r = hybrid.matmul ins(%x, %w : tensor<4xf32>, tensor<3x64x32xf32>) outs(%o : tensor<4x80xf32>) -> tensor<4x80xf32>
  return
}

// -----

func.func @matmul_c2(%x: tensor<4x64xf32>, %w: tensor<3x64x32xf32>, %o: tensor<4x64xf32>) {
  // expected-error @+1 {{'hybrid.matmul' op C2: shapes do not fit: input is 'tensor<4x64xf32>', weight 'tensor<3x64x32xf32>', init 'tensor<4x64xf32>'}}
  %r = hybrid.matmul ins(%x, %w : tensor<4x64xf32>, tensor<3x64x32xf32>) outs(%o : tensor<4x64xf32>) -> tensor<4x64xf32>
  return
}

// -----

func.func @matmul_c2_panel(%x: tensor<4x64xf32>, %w: tensor<3x64x?xf32>, %o: tensor<4x64xf32>) {
  // expected-error @+1 {{'hybrid.matmul' op C2: shapes do not fit}}
  %r = hybrid.matmul ins(%x, %w : tensor<4x64xf32>, tensor<3x64x?xf32>) outs(%o : tensor<4x64xf32>) -> tensor<4x64xf32>
  return
}

// -----

func.func @matmul_c3(%x: tensor<4x64xbf16>, %w: tensor<3x64x32xbf16>, %o: tensor<4x80xbf16>) {
  // expected-error @+1 {{'hybrid.matmul' op C3: element types do not fit: input is 'tensor<4x64xbf16>', weight 'tensor<3x64x32xbf16>', init 'tensor<4x80xbf16>'}}
  %r = hybrid.matmul ins(%x, %w : tensor<4x64xbf16>, tensor<3x64x32xbf16>) outs(%o : tensor<4x80xbf16>) -> tensor<4x80xbf16>
  return
}

// -----

func.func @matmul_c2_tiles(%x: tensor<?x3x6x16x32xbf16>, %w: tensor<3x64x32xf32>, %o: tensor<?x80xf32>) {
  // expected-error @+1 {{'hybrid.matmul' op C2: shapes do not fit: input is 'tensor<?x3x6x16x32xbf16>'}}
  %r = hybrid.matmul ins(%x, %w : tensor<?x3x6x16x32xbf16>, tensor<3x64x32xf32>) outs(%o : tensor<?x80xf32>) -> tensor<?x80xf32>
  return
}

// -----

func.func @matmul_c3_tiles(%x: tensor<?x2x6x16x32xbf16>, %w: tensor<3x64x32xf64>, %o: tensor<?x80xf64>) {
  // expected-error @+1 {{'hybrid.matmul' op C3: rows in tiles need an init of f32 and a weight of f32, f16 or bf16, but init is 'tensor<?x80xf64>', weight 'tensor<3x64x32xf64>'}}
  %r = hybrid.matmul ins(%x, %w : tensor<?x2x6x16x32xbf16>, tensor<3x64x32xf64>) outs(%o : tensor<?x80xf64>) -> tensor<?x80xf64>
  return
}

// -----

func.func @pack_rows_c1(%x: tensor<?x?xf32>, %o: tensor<?x3x6x16x32xbf16>) {
  // expected-error @+1 {{'hybrid.pack_rows' op C1: input must have rank 2 and a static length, init rank 5, but they are 'tensor<?x?xf32>' and 'tensor<?x3x6x16x32xbf16>'}}
  %r = hybrid.pack_rows ins(%x : tensor<?x?xf32>) outs(%o : tensor<?x3x6x16x32xbf16>) -> tensor<?x3x6x16x32xbf16>
  return
}

// -----

func.func @pack_rows_c2(%x: tensor<40x80xf32>, %o: tensor<1x3x6x16x32xbf16>) {
  // expected-error @+1 {{'hybrid.pack_rows' op C2: shapes do not fit: input is 'tensor<40x80xf32>', init 'tensor<1x3x6x16x32xbf16>'}}
  %r = hybrid.pack_rows ins(%x : tensor<40x80xf32>) outs(%o : tensor<1x3x6x16x32xbf16>) -> tensor<1x3x6x16x32xbf16>
  return
}

// -----

func.func @pack_rows_c2_pieces(%x: tensor<?x80xf16>, %o: tensor<?x3x6x16x32xbf16>) {
  // expected-error @+1 {{'hybrid.pack_rows' op C2: shapes do not fit}}
  %r = hybrid.pack_rows ins(%x : tensor<?x80xf16>) outs(%o : tensor<?x3x6x16x32xbf16>) -> tensor<?x3x6x16x32xbf16>
  return
}

// -----

func.func @pack_rows_c3(%x: tensor<?x80xf64>, %o: tensor<?x3x6x16x32xbf16>) {
  // expected-error @+1 {{'hybrid.pack_rows' op C3: element types do not fit: input is 'tensor<?x80xf64>', init 'tensor<?x3x6x16x32xbf16>'}}
  %r = hybrid.pack_rows ins(%x : tensor<?x80xf64>) outs(%o : tensor<?x3x6x16x32xbf16>) -> tensor<?x3x6x16x32xbf16>
  return
}

// -----

func.func @pack_weights_c1(%w: tensor<?x80xf32>) {
  // expected-error @+1 {{'hybrid.pack_weights' op C1: weight must be static and of rank 2, but is 'tensor<?x80xf32>'}}
  %r = hybrid.pack_weights %w : tensor<?x80xf32> -> tensor<3x64x32xf32>
  return
}

// -----

func.func @pack_weights_c2(%w: tensor<64x80xf32>) {
  // expected-error @+1 {{'hybrid.pack_weights' op C2: 'tensor<3x64x32xf32>' is not 'tensor<64x80xf32>' in panels}}
  %r = hybrid.pack_weights %w {transposed} : tensor<64x80xf32> -> tensor<3x64x32xf32>
  return
}

// -----

func.func @concat_weights_c1(%a: tensor<2xf32>) {
  // expected-error @+1 {{'hybrid.concat_weights' op C1: needs at least two weights, but has 1}}
  %r = hybrid.concat_weights %a {axis = 0 : i64} : (tensor<2xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @concat_weights_c2(%a: tensor<2xf32>) {
  // expected-error @+1 {{'hybrid.concat_weights' op C2: axis must be between 0 and 0, but is 1}}
  %r = hybrid.concat_weights %a, %a {axis = 1 : i64} : (tensor<2xf32>, tensor<2xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @concat_weights_c3(%a: tensor<2x3xf32>, %b: tensor<3x3xf32>) {
  // expected-error @+1 {{'hybrid.concat_weights' op C3: a weight of type 'tensor<3x3xf32>' is no part of 'tensor<2x6xf32>'}}
  %r = hybrid.concat_weights %a, %b {axis = 1 : i64} : (tensor<2x3xf32>, tensor<3x3xf32>) -> tensor<2x6xf32>
  return
}

// -----

func.func @concat_weights_c3_sum(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{'hybrid.concat_weights' op C3: the sizes of the weights along axis 1 add up to 6, but the result is 'tensor<2x7xf32>'}}
  %r = hybrid.concat_weights %a, %a {axis = 1 : i64} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x7xf32>
  return
}

// -----

func.func @parallel_c4_unused(%a: tensor<2xf32>, %b: tensor<2xf32>, %w: tensor<f32>) {
  // expected-error @+1 {{'hybrid.parallel' op C4: combine add takes 0 weights, but has 1}}
  %r = hybrid.parallel add weights(%w : tensor<f32>) {
    hybrid.yield %a : tensor<2xf32>
  }, {
    hybrid.yield %b : tensor<2xf32>
  } : tensor<2xf32>
  return
}

// -----

func.func @parallel_c4_shape(%a: tensor<2xf32>, %b: tensor<2xf32>, %w: tensor<3xf32>) {
  // expected-error @+1 {{'hybrid.parallel' op C4: a weight must be a float tensor of rank 0 or 1 that broadcasts to 'tensor<2xf32>', but is 'tensor<3xf32>'}}
  %r = hybrid.parallel weighted weights(%w, %w : tensor<3xf32>, tensor<3xf32>) {
    hybrid.yield %a : tensor<2xf32>
  }, {
    hybrid.yield %b : tensor<2xf32>
  } : tensor<2xf32>
  return
}

// -----

func.func @weight_c1() {
  // expected-error @+1 {{'hybrid.weight' op C1: the result must have a static shape, but is 'tensor<?xf32>'}}
  %w = hybrid.weight "w" from "model.onnx"[0, 16] : tensor<?xf32>
  return
}

// -----

func.func @weight_c2() {
  // expected-error @+1 {{'hybrid.weight' op C2: length is 15, but 'tensor<4xf32>' takes 16 bytes}}
  %w = hybrid.weight "w" from "model.onnx"[0, 15] : tensor<4xf32>
  return
}

// -----

func.func @weight_c2_bool() {
  // expected-error @+1 {{'hybrid.weight' op C2: length is 1, but 'tensor<4xi1>' takes 4 bytes}}
  %w = hybrid.weight "w" from "model.onnx"[0, 1] : tensor<4xi1>
  return
}

// -----

func.func @weight_c2_unknown() {
  // expected-error @+1 {{'hybrid.weight' op C2: the size of 'tensor<4xindex>' is not known}}
  %w = hybrid.weight "w" from "model.onnx"[0, 32] : tensor<4xindex>
  return
}

// -----

func.func @weight_c2_overflow() {
  // expected-error @+1 {{'hybrid.weight' op C2: the size of 'tensor<4611686018427387904x8xf32>' is not known}}
  %w = hybrid.weight "w" from "model.onnx"[0, 0] : tensor<4611686018427387904x8xf32>
  return
}

// -----

func.func @weight_c3() {
  // expected-error @+1 {{'hybrid.weight' op C3: offset must be 0 or more, but is -4}}
  %w = hybrid.weight "w" from "model.onnx"[-4, 16] : tensor<4xf32>
  return
}

// -----

// expected-error @+1 {{'hybrid.state' op C1: type must be of rank 1 or more and static in all dimensions but 0, the batch, but is 'tensor<?x?xf32>'}}
hybrid.state @state_c1 conv present "p" : tensor<?x?xf32>

// -----

// expected-error @+1 {{'hybrid.state' op C2: kind kv needs length_axis}}
hybrid.state @state_c2 kv present "p" : tensor<?x2xf32>

// -----

// expected-error @+1 {{'hybrid.state' op C2: kind recurrent has no length_axis}}
hybrid.state @state_c2_unused recurrent present "p" length_axis 1 : tensor<?x2xf32>

// -----

// expected-error @+1 {{'hybrid.state' op C2: length_axis must be between 1 and 1, but is 2}}
hybrid.state @state_c2_range kv_window present "p" length_axis 2 : tensor<?x2xf32>

// -----

// expected-error @+1 {{'hybrid.state' op C3: kind kv_window needs sink_prefix and capacity}}
hybrid.state @state_c3 kv_window present "p" length_axis 1 capacity 4 : tensor<?x2xf32>

// -----

// expected-error @+1 {{'hybrid.state' op C3: kind kv has no sink_prefix and capacity}}
hybrid.state @state_c3_kv kv present "p" length_axis 1 capacity 4 : tensor<?x2xf32>

// -----

// expected-error @+1 {{'hybrid.state' op C3: kind conv has no sink_prefix and capacity}}
hybrid.state @state_c3_conv conv present "p" capacity 4 : tensor<?x2xf32>

// -----

// expected-error @+1 {{'hybrid.state' op C3: a ring of 2 positions cannot have sink_prefix 2 and capacity 4}}
hybrid.state @state_c3_sinks kv_window present "p" length_axis 1 sink_prefix 2 capacity 4 : tensor<?x2xf32>

// -----

// expected-error @+1 {{'hybrid.state' op C3: a ring of 5 positions cannot have sink_prefix 2 and capacity 4}}
hybrid.state @state_c3_capacity kv_window present "p" length_axis 1 sink_prefix 2 capacity 4 : tensor<?x5xf32>

// -----

func.func @read_state_c1() {
  // expected-error @+1 {{'hybrid.read_state' op C1: @missing is no hybrid.state}}
  %s = hybrid.read_state @missing : tensor<?x2xf32>
  return
}

// -----

// expected-note @+1 {{declared here}}
hybrid.state @s conv present "p" : tensor<?x2xf32>
func.func @read_state_c2() {
  // expected-error @+1 {{'hybrid.read_state' op C2: has type 'tensor<?x3xf32>', but the state @s is 'tensor<?x2xf32>'}}
  %s = hybrid.read_state @s : tensor<?x3xf32>
  return
}

// -----

func.func @write_state_c1(%v: tensor<?x2xf32>) {
  // expected-error @+1 {{'hybrid.write_state' op C1: @write_state_c1 is no hybrid.state}}
  hybrid.write_state %v, @write_state_c1 : tensor<?x2xf32>
  return
}

// -----

// expected-note @+1 {{declared here}}
hybrid.state @s conv present "p" : tensor<?x2xf32>
func.func @write_state_c2(%v: tensor<?x2xf16>) {
  // expected-error @+1 {{'hybrid.write_state' op C2: has type 'tensor<?x2xf16>', but the state @s is 'tensor<?x2xf32>'}}
  hybrid.write_state %v, @s : tensor<?x2xf16>
  return
}

// -----

func.func private @k(tensor<4xf32>) -> tensor<4xf32>
func.func @launch_c1(%o: tensor<4xf32>) {
  // expected-error @+1 {{'hybrid.launch' op C1: @k is no func.func with the attribute hybrid.kernel}}
  %r = hybrid.launch @k outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func private @k(tensor<4xf32>) -> tensor<4xf32>
func.func @launch_c1_missing(%o: tensor<4xf32>) {
  // expected-error @+1 {{'hybrid.launch' op C1: @other is no func.func with the attribute hybrid.kernel}}
  %r = hybrid.launch @other outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

// expected-note @+1 {{declared here}}
func.func private @k(tensor<4xf32>, tensor<4xf32>, index) -> tensor<4xf32> attributes {hybrid.kernel}
func.func @launch_c2(%a: tensor<4xf32>) {
  // expected-error @+1 {{'hybrid.launch' op C2: gives 2 arguments to @k, which takes 3}}
  %r = hybrid.launch @k ins(%a : tensor<4xf32>) outs(%a : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

// expected-note @+1 {{declared here}}
func.func private @k(tensor<4xf32>, tensor<4xf32>, index) -> tensor<4xf32> attributes {hybrid.kernel}
func.func @launch_c2_type(%a: tensor<4xf16>, %o: tensor<4xf32>, %n: index) {
  // expected-error @+1 {{'hybrid.launch' op C2: argument 0 of @k is 'tensor<4xf32>', but 'tensor<4xf16>' is given}}
  %r = hybrid.launch @k ins(%a : tensor<4xf16>) outs(%o : tensor<4xf32>) sizes(%n) -> tensor<4xf32>
  return
}

// -----

// expected-note @+1 {{declared here}}
func.func private @k(tensor<4xf32>, tensor<4xf32>, index) -> tensor<4xf32> attributes {hybrid.kernel}
func.func @launch_c2_shape(%a: tensor<4xf32>, %o: tensor<5xf32>, %n: index) {
  // expected-error @+1 {{'hybrid.launch' op C2: argument 1 of @k is 'tensor<4xf32>', but 'tensor<5xf32>' is given}}
  %r = hybrid.launch @k ins(%a : tensor<4xf32>) outs(%o : tensor<5xf32>) sizes(%n) -> tensor<5xf32>
  return
}

// -----

func.func private @k(tensor<4xf32>) attributes {hybrid.kernel}
func.func @launch_c2_results(%o: tensor<4xf32>) {
  // expected-error @+1 {{'hybrid.launch' op C2: @k must return one value per destination}}
  %r = hybrid.launch @k outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @matmul_c2_quantized_panel(%x: tensor<4x64xf32>, %w: tensor<3x2x575xi8>, %o: tensor<4x80xf32>) {
  // expected-error @+1 {{'hybrid.matmul' op C2: shapes do not fit: input is 'tensor<4x64xf32>', weight 'tensor<3x2x575xi8>', init 'tensor<4x80xf32>'}}
  %r = hybrid.matmul ins(%x, %w : tensor<4x64xf32>, tensor<3x2x575xi8>) outs(%o : tensor<4x80xf32>) {quantization = #hybrid.quantization<bits = 4, block = 32, scale = f16>} -> tensor<4x80xf32>
  return
}

// -----

func.func @matmul_c2_quantized_blocks(%x: tensor<4x65xf32>, %w: tensor<3x2x576xi8>, %o: tensor<4x80xf32>) {
  // expected-error @+1 {{'hybrid.matmul' op C2: shapes do not fit: input is 'tensor<4x65xf32>'}}
  %r = hybrid.matmul ins(%x, %w : tensor<4x65xf32>, tensor<3x2x576xi8>) outs(%o : tensor<4x80xf32>) {quantization = #hybrid.quantization<bits = 4, block = 32, scale = f16>} -> tensor<4x80xf32>
  return
}

// -----

func.func @matmul_c4(%x: tensor<4x64xf32>, %w: tensor<3x2x576xf16>, %o: tensor<4x80xf32>) {
  // expected-error @+1 {{'hybrid.matmul' op C4: a quantised weight must be of i8 and init of f32, but they are 'tensor<3x2x576xf16>' and 'tensor<4x80xf32>'}}
  %r = hybrid.matmul ins(%x, %w : tensor<4x64xf32>, tensor<3x2x576xf16>) outs(%o : tensor<4x80xf32>) {quantization = #hybrid.quantization<bits = 4, block = 32, scale = f16>} -> tensor<4x80xf32>
  return
}

// -----

func.func @matmul_c4_init(%x: tensor<4x64xf32>, %w: tensor<3x2x576xi8>, %o: tensor<4x80xf64>) {
  // expected-error @+1 {{'hybrid.matmul' op C4: a quantised weight must be of i8}}
  %r = hybrid.matmul ins(%x, %w : tensor<4x64xf32>, tensor<3x2x576xi8>) outs(%o : tensor<4x80xf64>) {quantization = #hybrid.quantization<bits = 4, block = 32, scale = f16>} -> tensor<4x80xf64>
  return
}

// -----

// expected-error @+1 {{C1: bits must be 4 or 8, but is 2}}
func.func private @quantization_c1() attributes {x = #hybrid.quantization<bits = 2, block = 32, scale = f16>}

// -----

// expected-error @+1 {{C2: block must be 16, 32, 64 or 128, but is 24}}
func.func private @quantization_c2() attributes {x = #hybrid.quantization<bits = 4, block = 24, scale = f16>}

// -----

// expected-error @+1 {{C3: scale must be f32, f16 or bf16, but is 'f64'}}
func.func private @quantization_c3() attributes {x = #hybrid.quantization<bits = 4, block = 32, scale = f64>}

// -----

func.func @pack_weights_c3() {
  %w = hybrid.weight "w" from "m.onnx"[0, 20480] : tensor<64x80xf32>
  // expected-error @+1 {{'hybrid.pack_weights' op C3: 'tensor<3x2x512xi8>' is not 'tensor<64x80xf32>' in panels with #hybrid.quantization<bits = 4, block = 32, scale = f16>}}
  %p = hybrid.pack_weights %w {quantization = #hybrid.quantization<bits = 4, block = 32, scale = f16>} : tensor<64x80xf32> -> tensor<3x2x512xi8>
  return
}

// -----

func.func @dequantize_weight_c1(%q: tensor<64x64xi8>, %s: tensor<64x4xf32>) {
  // expected-error @+1 {{'hybrid.dequantize_weight' op C1: the result must be a static matrix of f32, bits 4 or 8, block at least 1 and axis 0 or 1, but they are 'tensor<64x128xf32>', 2, 32 and 1}}
  %w = hybrid.dequantize_weight %q scales %s {axis = 1 : i64, bits = 2 : i64, block = 32 : i64} : (tensor<64x64xi8>, tensor<64x4xf32>) -> tensor<64x128xf32>
  return
}

// -----

func.func @dequantize_weight_c2(%q: tensor<64x63xi8>, %s: tensor<64x4xf32>) {
  // expected-error @+1 {{'hybrid.dequantize_weight' op C2: integers of 4 bits for 'tensor<64x128xf32>' cannot be 'tensor<64x63xi8>'}}
  %w = hybrid.dequantize_weight %q scales %s {axis = 1 : i64, bits = 4 : i64, block = 32 : i64} : (tensor<64x63xi8>, tensor<64x4xf32>) -> tensor<64x128xf32>
  return
}

// -----

func.func @dequantize_weight_c3(%q: tensor<64x64xi8>, %s: tensor<64x5xf32>) {
  // expected-error @+1 {{'hybrid.dequantize_weight' op C3: scales must be a float for each of 64 x 4 blocks, but are 'tensor<64x5xf32>'}}
  %w = hybrid.dequantize_weight %q scales %s {axis = 1 : i64, bits = 4 : i64, block = 32 : i64} : (tensor<64x64xi8>, tensor<64x5xf32>) -> tensor<64x128xf32>
  return
}

// -----

func.func @dequantize_weight_c4(%q: tensor<64x64xi8>, %s: tensor<64x4xf32>, %z: tensor<64x4xi8>) {
  // expected-error @+1 {{'hybrid.dequantize_weight' op C4: zero_points of 4 bits for 'tensor<64x4xf32>' cannot be 'tensor<64x4xi8>'}}
  %w = hybrid.dequantize_weight %q scales %s zero_points %z {axis = 1 : i64, bits = 4 : i64, block = 32 : i64} : (tensor<64x64xi8>, tensor<64x4xf32>, tensor<64x4xi8>) -> tensor<64x128xf32>
  return
}
