// RUN: hybrid-opt %s --hybrid-lower-computations --canonicalize | FileCheck %s --implicit-check-not="hybrid."

// A running sum of float16 is float32; it keeps its order.

// CHECK-LABEL: func.func @cumsum(
// CHECK-SAME: %[[X:[^:]*]]: memref<?x8xf16>, %[[O:[^:]*]]: memref<?x8xf16>)
// CHECK: %[[N:.*]] = memref.dim %[[X]]
// CHECK: scf.for %[[J:.*]] = %{{.*}} to %{{.*}} step
// CHECK: scf.for %[[I:.*]] = %{{.*}} to %[[N]] step %{{.*}} iter_args(%[[SUM:.*]] = %{{.*}}) -> (f32)
// CHECK-NEXT: %[[V:.*]] = memref.load %[[X]][%[[I]], %[[J]]]
// CHECK-NEXT: %[[E:.*]] = arith.extf %[[V]] : f16 to f32
// CHECK-NEXT: %[[NEXT:.*]] = arith.addf %[[SUM]], %[[E]] : f32
// CHECK-NEXT: %[[T:.*]] = arith.truncf %[[NEXT]] : f32 to f16
// CHECK-NEXT: memref.store %[[T]], %[[O]][%[[I]], %[[J]]]
// CHECK-NEXT: scf.yield %[[NEXT]]
func.func @cumsum(%x: memref<?x8xf16>, %o: memref<?x8xf16>) {
  hybrid.cumsum ins(%x : memref<?x8xf16>) outs(%o : memref<?x8xf16>) {axis = 0 : i64}
  return
}

// Integers are added as integers; exclusive sums store what came before, reverse
// ones begin at the end.

// CHECK-LABEL: func.func @cumsum_integer(
// CHECK: scf.for %[[I:.*]] = %{{.*}} iter_args(%[[SUM:.*]] = %{{.*}}) -> (i64)
// CHECK: %[[AT:.*]] = arith.subi %{{.*}}, %[[I]] : index
// CHECK: %[[V:.*]] = memref.load %{{.*}}[%[[AT]]] : memref<8xi64>
// CHECK: %[[NEXT:.*]] = arith.addi %[[SUM]], %[[V]] : i64
// CHECK: memref.store %[[SUM]], %{{.*}}[%[[AT]]]
// CHECK: scf.yield %[[NEXT]]
func.func @cumsum_integer(%x: memref<8xi64>, %o: memref<8xi64>) {
  hybrid.cumsum ins(%x : memref<8xi64>) outs(%o : memref<8xi64>) {axis = 0 : i64, exclusive, reverse}
  return
}

// CHECK-LABEL: func.func @cache_append(
// CHECK-SAME: %[[X:[^:]*]]: memref<1x2x?x16xf16>, %[[C:[^:]*]]: memref<1x2x64x16xf16>, %[[P:[^:]*]]: index)
// CHECK: scf.for %[[H:.*]] = %{{.*}} to
// CHECK: scf.for %[[T:.*]] = %{{.*}} to
// CHECK: %[[AT:.*]] = arith.addi %[[P]], %[[T]]
// CHECK: scf.for %[[D:.*]] = %{{.*}} to
// CHECK: %[[V:.*]] = memref.load %[[X]][%{{.*}}, %[[H]], %[[T]], %[[D]]]
// CHECK: memref.store %[[V]], %[[C]][%{{.*}}, %[[H]], %[[AT]], %[[D]]]
func.func @cache_append(%x: memref<1x2x?x16xf16>, %c: memref<1x2x64x16xf16>, %p: index) {
  hybrid.cache_append ins(%x : memref<1x2x?x16xf16>) at(%p) outs(%c : memref<1x2x64x16xf16>)
  return
}

// CHECK-LABEL: func.func @cache_append_positions(
// CHECK-SAME: %[[X:[^:]*]]: memref<?x2x?x16xf16>, %[[C:[^:]*]]: memref<?x2x64x16xf16>, %[[P:[^:]*]]: index, %[[PS:[^:]*]]: memref<?xi64>)
// CHECK: scf.for %[[B:.*]] = %{{.*}} to
// CHECK: scf.for %[[H:.*]] = %{{.*}} to
// CHECK: %[[OWN:.*]] = memref.load %[[PS]][%[[B]]]
// CHECK: %[[NUMBER:.*]] = arith.index_cast %[[OWN]]
// CHECK: %[[FIRST:.*]] = arith.addi %[[NUMBER]], %[[P]]
// CHECK: scf.for %[[T:.*]] = %{{.*}} to
// CHECK: %[[AT:.*]] = arith.addi %[[FIRST]], %[[T]]
// CHECK: scf.for %[[D:.*]] = %{{.*}} to
// CHECK: %[[V:.*]] = memref.load %[[X]][%[[B]], %[[H]], %[[T]], %[[D]]]
// CHECK: memref.store %[[V]], %[[C]][%[[B]], %[[H]], %[[AT]], %[[D]]]
func.func @cache_append_positions(%x: memref<?x2x?x16xf16>, %c: memref<?x2x64x16xf16>, %p: index, %ps: memref<?xi64>) {
  hybrid.cache_append ins(%x : memref<?x2x?x16xf16>) at(%p) positions(%ps : memref<?xi64>) outs(%c : memref<?x2x64x16xf16>)
  return
}

// Sinks first, then the last positions, each to its slot.

// CHECK-LABEL: func.func @cache_append_ring(
// CHECK-SAME: %[[X:[^:]*]]: memref<1x2x?x16xf16>, %[[C:[^:]*]]: memref<1x2x10x16xf16>, %[[P:[^:]*]]: index)
// CHECK: %[[LEFT:.*]] = arith.subi %c2{{.*}}, %[[P]]
// CHECK: %[[SINKS:.*]] = arith.maxsi %[[LEFT]], %c0
// CHECK: scf.for %{{.*}} = %c0{{.*}} to
// CHECK: memref.store
// CHECK: %[[FIRST:.*]] = arith.maxsi %{{.*}}, %[[SINKS]]
// CHECK: scf.for %[[T:.*]] = %[[FIRST]] to
// CHECK: %[[AT:.*]] = arith.addi %[[P]], %[[T]]
// CHECK: %[[BEHIND:.*]] = arith.subi %[[AT]], %c2
// CHECK: arith.remui %[[BEHIND]], %c8
// CHECK: memref.store
func.func @cache_append_ring(%x: memref<1x2x?x16xf16>, %c: memref<1x2x10x16xf16>, %p: index) {
  hybrid.cache_append ins(%x : memref<1x2x?x16xf16>) at(%p) outs(%c : memref<1x2x10x16xf16>) {ring, sink_prefix = 2 : i64}
  return
}

// What is kept, the new positions, and zeros.

// CHECK-LABEL: func.func @ring_read(
// CHECK-SAME: %[[RING:[^:]*]]: memref<?x2x10x16xf16>, %[[X:[^:]*]]: memref<?x2x?x16xf16>, %[[PS:[^:]*]]: memref<?xi64>, %[[O:[^:]*]]: memref<?x2x?x16xf16>)
// CHECK: memref.load %[[PS]]
// CHECK: memref.load %[[RING]]
// CHECK: memref.store %{{.*}}, %[[O]]
// CHECK: arith.remui
// CHECK: memref.load %[[RING]]
// CHECK: memref.store %{{.*}}, %[[O]]
// CHECK: memref.load %[[X]]
// CHECK: memref.store %{{.*}}, %[[O]]
// CHECK: memref.store %cst{{.*}}, %[[O]]
func.func @ring_read(%ring: memref<?x2x10x16xf16>, %x: memref<?x2x?x16xf16>, %ps: memref<?xi64>, %o: memref<?x2x?x16xf16>) {
  hybrid.ring_read ins(%ring, %x : memref<?x2x10x16xf16>, memref<?x2x?x16xf16>) positions(%ps : memref<?xi64>) outs(%o : memref<?x2x?x16xf16>) {sink_prefix = 2 : i64}
  return
}

// A row is read twice: for its sum of squares and to be scaled. The normalised
// value is rounded to the storage type before the scale, as exporters do.

// CHECK-LABEL: func.func @rms_norm(
// CHECK-SAME: %[[X:[^:]*]]: memref<?x8xbf16>, %[[W:[^:]*]]: memref<8xbf16>, %[[O:[^:]*]]: memref<?x8xbf16>)
// CHECK: scf.for %[[I:.*]] = %{{.*}} to
// CHECK: %[[SUM:.*]] = scf.for %{{.*}} iter_args(%{{.*}} = %{{.*}}) -> (f32)
// CHECK: %[[MEAN:.*]] = arith.divf %[[SUM]], %{{.*}} : f32
// CHECK: %[[SHIFTED:.*]] = arith.addf %[[MEAN]],
// CHECK: math.sqrt %[[SHIFTED]] : f32
// CHECK: scf.for %[[J:.*]] = %{{.*}} to
// CHECK: memref.load %[[X]][%[[I]], %[[J]]]
// CHECK: arith.truncf %{{.*}} : f32 to bf16
// CHECK: memref.load %[[W]][%[[J]]]
// CHECK: memref.store %{{.*}}, %[[O]][%[[I]], %[[J]]]
func.func @rms_norm(%x: memref<?x8xbf16>, %w: memref<8xbf16>, %o: memref<?x8xbf16>) {
  hybrid.norm rms ins(%x : memref<?x8xbf16>) scale(%w : memref<8xbf16>) outs(%o : memref<?x8xbf16>) {axis = 1 : i64, epsilon = 1.0e-5 : f64}
  return
}

// float64 stays float64; a layer norm has a mean, too.

// CHECK-LABEL: func.func @layer_norm(
// CHECK-NOT: f32
// CHECK: %[[SUM:.*]] = scf.for {{.*}} -> (f64)
// CHECK: %[[MEAN:.*]] = arith.divf %[[SUM]]
// CHECK: scf.for {{.*}} -> (f64)
// CHECK: arith.subf %{{.*}}, %[[MEAN]]
// CHECK: math.sqrt
// CHECK: arith.subf %{{.*}}, %[[MEAN]]
// CHECK: return
func.func @layer_norm(%x: memref<4x64xf64>, %o: memref<4x64xf64>) {
  hybrid.norm layer ins(%x : memref<4x64xf64>) outs(%o : memref<4x64xf64>) {axis = 1 : i64, epsilon = 1.0e-5 : f64}
  return
}

// Groups are normalised one by one; the gate comes first here and enters the sum.

// CHECK-LABEL: func.func @gated_norm(
// CHECK-SAME: %[[X:[^:]*]]: memref<4x64xf32>, %[[G:[^:]*]]: memref<4x64xf32>,
// CHECK: scf.for %[[I:.*]] = %{{.*}} to %{{.*}} step
// CHECK: scf.for %[[GROUP:.*]] = %{{.*}} to %{{.*}} step
// CHECK: %[[BASE:.*]] = arith.muli %[[GROUP]], %c16
// CHECK: scf.for {{.*}} -> (f32)
// CHECK: memref.load %[[X]]
// CHECK: memref.load %[[G]]
// CHECK: math.exp
// CHECK: math.sqrt
func.func @gated_norm(%x: memref<4x64xf32>, %g: memref<4x64xf32>, %o: memref<4x64xf32>) {
  hybrid.gated_norm gate_first ins(%x, %g : memref<4x64xf32>, memref<4x64xf32>) outs(%o : memref<4x64xf32>)
    {activation = #hybrid.activation<silu>, epsilon = 1.0e-5 : f64, group_size = 16 : i64}
  return
}

// Whatever position ids come, the table is not left.

// CHECK-LABEL: func.func @rope(
// CHECK-SAME: %[[X:[^:]*]]: memref<1x?x4x16xf32>, %[[TABLE:[^:]*]]: memref<512x4xf32>, %[[IDS:[^:]*]]: memref<1x?xi64>,
// CHECK: %[[ID:.*]] = memref.load %[[IDS]]
// CHECK: %[[INDEX:.*]] = arith.index_cast %[[ID]] : i64 to index
// CHECK: %[[LOW:.*]] = arith.minsi %[[INDEX]], %c511
// CHECK: %[[AT:.*]] = arith.maxsi %[[LOW]], %c0
// CHECK: scf.for %[[M:.*]] = %c0{{.*}} to %c4
// CHECK: memref.load %[[TABLE]][%[[AT]], %[[M]]]
// CHECK: arith.addi %[[M]], %c4
// CHECK: arith.subf
// CHECK: arith.addf
// CHECK: scf.for %[[D:.*]] = %c8{{.*}} to %c16
// CHECK-NEXT: memref.load %[[X]][{{.*}}, %[[D]]]
// CHECK-NEXT: memref.store
func.func @rope(%x: memref<1x?x4x16xf32>, %table: memref<512x4xf32>, %p: memref<1x?xi64>, %o: memref<1x?x4x16xf32>) {
  hybrid.rope ins(%x, %table, %table : memref<1x?x4x16xf32>, memref<512x4xf32>, memref<512x4xf32>) positions(%p : memref<1x?xi64>)
    outs(%o : memref<1x?x4x16xf32>) {layout = #hybrid.layout<bthd>, rotary_dim = 8 : i64}
  return
}

// The first columns read the state, the others only the input; the new state
// passes through a buffer because it may hold columns of the old one.

// CHECK-LABEL: func.func @causal_conv(
// CHECK-SAME: %[[X:[^:]*]]: memref<1x8x?xf32>, %[[W:[^:]*]]: memref<8x4xf32>, %[[O:[^:]*]]: memref<1x8x?xf32>, %[[S:[^:]*]]: memref<1x8x3xf32>)
// CHECK: %[[NEW:.*]] = memref.alloca() {{.*}} : memref<3xf32>
// CHECK: %[[BORDER:.*]] = arith.minsi
// CHECK: scf.for %{{.*}} = %c0{{.*}} to %[[BORDER]]
// CHECK: scf.if
// CHECK: memref.load %[[S]]
// CHECK: } else {
// CHECK: memref.load %[[X]]
// CHECK: math.exp
// CHECK: scf.for %{{.*}} = %[[BORDER]] to
// CHECK-NOT: scf.if
// CHECK: math.exp
// CHECK: scf.for
// CHECK: scf.if
// CHECK: memref.store %{{.*}}, %[[NEW]]
// CHECK: scf.for
// CHECK-NEXT: memref.load %[[NEW]]
// CHECK-NEXT: memref.store %{{.*}}, %[[S]]
func.func @causal_conv(%x: memref<1x8x?xf32>, %w: memref<8x4xf32>, %o: memref<1x8x?xf32>, %s: memref<1x8x3xf32>) {
  hybrid.causal_conv ins(%x, %w : memref<1x8x?xf32>, memref<8x4xf32>)
    outs(%o, %s : memref<1x8x?xf32>, memref<1x8x3xf32>) {activation = #hybrid.activation<silu>}
  return
}

// A scan carries the state of a head on the stack, in float32, from step to step;
// its columns are vectors, and what they add up to stays in registers.

// CHECK-LABEL: func.func @scan(
// CHECK-SAME: %[[STATE:[^: ]*]]: memref<1x2x4x8xf16>) {
// CHECK: %[[T:.*]] = memref.dim
// CHECK: %[[S:.*]] = memref.alloca() {{.*}} : memref<4x8xf32>
// CHECK: memref.load %[[STATE]]
// CHECK: memref.store %{{.*}}, %[[S]]
// CHECK: scf.for %{{.*}} = %{{.*}} to %[[T]] step %c16
// CHECK: math.exp
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %{{.*}}) -> (vector<8xf32>)
// CHECK: vector.load %[[S]]
// CHECK: vector.store %{{.*}}, %[[S]]
// CHECK: vector.fma
// CHECK: scf.yield
// CHECK: memref.load %[[S]]
// CHECK: memref.store %{{.*}}, %[[STATE]]
// CHECK: return
func.func @scan(%q: memref<1x?x2x4xf16>, %v: memref<1x?x2x8xf16>, %g: memref<1x?x2xf16>, %o: memref<1x?x2x8xf16>, %s: memref<1x2x4x8xf16>) {
  hybrid.scan gated ins(%q, %q, %v : memref<1x?x2x4xf16>, memref<1x?x2x4xf16>, memref<1x?x2x8xf16>) decay(%g : memref<1x?x2xf16>)
    outs(%o, %s : memref<1x?x2x8xf16>, memref<1x2x4x8xf16>) {scale = 1.0 : f64}
  return
}

// The delta rule first reads what the state holds for the key.

// CHECK-LABEL: func.func @delta(
// CHECK-SAME: %[[BETA:[^: ]*]]: memref<1x?x1xf32>
// CHECK-NOT: math.exp
// CHECK: %[[B:.*]] = memref.load %[[BETA]][
// CHECK: %[[V:.*]] = vector.broadcast %[[B]]
// CHECK: %[[D:.*]] = arith.subf
// CHECK: arith.mulf %[[V]], %[[D]]
func.func @delta(%q: memref<1x?x2x4xf32>, %v: memref<1x?x2x8xf32>, %b: memref<1x?x1xf32>, %o: memref<1x?x2x8xf32>, %s: memref<1x2x4x8xf32>) {
  hybrid.scan delta ins(%q, %q, %v : memref<1x?x2x4xf32>, memref<1x?x2x4xf32>, memref<1x?x2x8xf32>) beta(%b : memref<1x?x1xf32>)
    outs(%o, %s : memref<1x?x2x8xf32>, memref<1x2x4x8xf32>) {scale = 1.0 : f64}
  return
}

// One step alone: the state itself is read and written.

// CHECK-LABEL: func.func @decode(
// CHECK-SAME: %[[STATE:[^: ]*]]: memref<1x2x4x8xf32>) {
// CHECK-NOT: memref<4x8xf32>
// CHECK: %[[S:.*]] = memref.subview %[[STATE]]
// CHECK: vector.load %[[S]]
// CHECK: vector.store %{{.*}}, %[[S]]
// CHECK: return
func.func @decode(%q: memref<1x1x2x4xf32>, %v: memref<1x1x2x8xf32>, %o: memref<1x1x2x8xf32>, %s: memref<1x2x4x8xf32>) {
  hybrid.scan linear ins(%q, %q, %v : memref<1x1x2x4xf32>, memref<1x1x2x4xf32>, memref<1x1x2x8xf32>)
    outs(%o, %s : memref<1x1x2x8xf32>, memref<1x2x4x8xf32>) {scale = 1.0 : f64}
  return
}

// In chunks: the steps left over are computed one by one if there are fewer than
// `sequential_below`. Scores, what they weight, the state's part and its update
// are contractions; for the delta rule also what the state holds for the
// keys, and between sub-blocks of 16 steps the triangular system.

// CHECK-LABEL: func.func @chunked(
// CHECK: scf.for %[[T0:.*]] = %{{.*}} to %[[T:.*]] step %c32
// CHECK: %[[REST:.*]] = arith.subi %[[T]], %[[T0]]
// CHECK: %[[N:.*]] = arith.minsi %[[REST]], %c32
// CHECK: %[[ENOUGH:.*]] = arith.cmpi sge, %[[N]], %c9
// CHECK: scf.if %[[ENOUGH]]
// CHECK: math.exp
// CHECK-COUNT-24: vector.shuffle
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : memref<24x24xf32, strided<[32, 1]>>) attrs = {{ *}}{hybrid.in_cache}
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : memref<8x32xf32, strided<[32, 1], offset: 768>>) attrs = {{ *}}{hybrid.in_cache}
// CHECK-COUNT-2: attrs = {{ *}}{hybrid.in_cache}
// CHECK: linalg.generic {{.*}} ins({{.*}} : memref<32x16xf32>, memref<16x8xf32>) outs(%{{.*}} : memref<32x8xf32>) attrs = {{ *}}{hybrid.in_cache}
// CHECK: linalg.generic {{.*}} ins({{.*}} : memref<16x16xf32, strided<[32, 1], offset: 512>>, memref<16x8xf32, strided<[8, 1]>>) outs(%{{.*}} : memref<16x8xf32, strided<[8, 1], offset: 128>>) attrs = {{ *}}{hybrid.in_cache}
// CHECK: linalg.generic {{.*}} ins({{.*}} : memref<32x16xf32>, memref<16x8xf32>) outs(%{{.*}} : memref<32x8xf32>) attrs = {{ *}}{hybrid.in_cache}
// CHECK-COUNT-2: attrs = {{ *}}{hybrid.in_cache}
// CHECK: linalg.generic {{.*}} ins({{.*}} : memref<32x16xf32>, memref<32x8xf32>) outs(%{{.*}} : memref<16x8xf32>) attrs = {{ *}}{hybrid.in_cache}
// CHECK: } else {
// CHECK-NOT: linalg.generic
// CHECK: return
func.func @chunked(%q: memref<1x?x2x16xf32>, %v: memref<1x?x2x8xf32>, %g: memref<1x?x2xf32>, %o: memref<1x?x2x8xf32>, %s: memref<1x2x16x8xf32>) {
  hybrid.scan gated_delta ins(%q, %q, %v : memref<1x?x2x16xf32>, memref<1x?x2x16xf32>, memref<1x?x2x8xf32>) decay(%g : memref<1x?x2xf32>) beta(%g : memref<1x?x2xf32>)
    outs(%o, %s : memref<1x?x2x8xf32>, memref<1x2x16x8xf32>) {form = #hybrid.scan_form<chunked>, chunk = 32 : i64, sequential_below = 9 : i64, scale = 1.0 : f64}
  return
}

// As a prefix sum of eight steps: three levels up, two down.

// CHECK-LABEL: func.func @associative(
// CHECK: scf.for %{{.*}} = %c1 to %[[N:.*]] step %c2
// CHECK: scf.for %{{.*}} = %c3 to %[[N]] step %c4
// CHECK: scf.for %{{.*}} = %c7 to %[[N]] step %c8
// CHECK: scf.for %{{.*}} = %c5 to %[[N]] step %c4
// CHECK: scf.for %{{.*}} = %c2 to %[[N]] step %c2
// CHECK: return
func.func @associative(%q: memref<1x?x2x4xf32>, %v: memref<1x?x2x8xf32>, %g: memref<1x?x2x4xf32>, %o: memref<1x?x2x8xf32>, %s: memref<1x2x4x8xf32>) {
  hybrid.scan gated ins(%q, %q, %v : memref<1x?x2x4xf32>, memref<1x?x2x4xf32>, memref<1x?x2x8xf32>) decay(%g : memref<1x?x2x4xf32>)
    outs(%o, %s : memref<1x?x2x8xf32>, memref<1x2x4x8xf32>) {form = #hybrid.scan_form<associative>, chunk = 8 : i64, scale = 1.0 : f64}
  return
}

// Streaming softmax: scores of one tile of keys at a time, a running maximum and
// normaliser. Causality bounds the loop instead of masking, nothing of size
// T × n is stored, and no key beyond the cache is read. One row here.

// CHECK-LABEL: func.func @attention(
// CHECK-SAME: %[[Q:[^:]*]]: memref<1x1x1x16xf16>, %[[K:[^:]*]]: memref<1x1x64x16xf16>, %[[V:[^:]*]]: memref<1x1x64x32xf16>, %[[O:[^:]*]]: memref<1x1x1x32xf16>, %[[N:[^:]*]]: index, %[[P:[^:]*]]: index)
// CHECK-NOT: memref.alloc{{a?}}(%
// CHECK: arith.minsi %[[N]], %c64
// CHECK: scf.for {{.*}} step %c32
// CHECK-COUNT-2: vector.load %[[K]]
// CHECK: vector.reduction <add>
// CHECK: arith.max{{imum|num}}f
// CHECK: math.exp
// CHECK: %{{.*}}:4 = scf.for
// CHECK-COUNT-4: vector.load %[[V]]
// CHECK: arith.divf
// CHECK: memref.store %{{.*}}, %[[O]]
func.func @attention(%q: memref<1x1x1x16xf16>, %k: memref<1x1x64x16xf16>, %v: memref<1x1x64x32xf16>, %o: memref<1x1x1x32xf16>, %n: index, %p: index) {
  hybrid.attention ins(%q, %k, %v : memref<1x1x1x16xf16>, memref<1x1x64x16xf16>, memref<1x1x64x32xf16>)
         kv_length(%n) q_offset(%p) outs(%o : memref<1x1x1x32xf16>) {causal, scale = 2.5e-01 : f64}
  return
}

// Many rows: blocks of 32, whose scores lie in lanes; keys and values are copied in
// tiles of 48.

// CHECK-LABEL: func.func @attention_rows(
// CHECK-SAME: %[[Q:[^:]*]]: memref<1x1x?x16xf16>, %[[K:[^:]*]]: memref<1x1x64x16xf16>, %[[V:[^:]*]]: memref<1x1x64x32xf16>, %[[O:[^:]*]]: memref<1x1x?x32xf16>
// CHECK-DAG: %[[QT:.*]] = memref.alloca() {alignment = 64 : i64} : memref<16x32xf32>
// CHECK-DAG: %[[KT:.*]] = memref.alloca() {alignment = 64 : i64} : memref<48x16xf32>
// CHECK-DAG: %[[S:.*]] = memref.alloca() {alignment = 64 : i64} : memref<48x32xf32>
// CHECK: memref.store %{{.*}}, %[[QT]]
// CHECK: %{{.*}}:8 = scf.for {{.*}} step %c48 {{.*}} -> (vector<8xf32>,
// CHECK: vector.load %[[K]]
// CHECK: vector.load %[[V]]
// CHECK: %{{.*}}:12 = scf.for
// CHECK: vector.load %[[QT]]
// CHECK-COUNT-12: vector.fma
// CHECK: arith.cmpi slt, %{{.*}} : vector<8xi32>
// CHECK: arith.maxnumf
// CHECK: math.exp %{{.*}} : vector<8xf32>
// CHECK: vector.store %{{.*}}, %[[O]]{{.*}} vector<8xf16>
func.func @attention_rows(%q: memref<1x1x?x16xf16>, %k: memref<1x1x64x16xf16>, %v: memref<1x1x64x32xf16>, %o: memref<1x1x?x32xf16>, %n: index, %p: index) {
  hybrid.attention ins(%q, %k, %v : memref<1x1x?x16xf16>, memref<1x1x64x16xf16>, memref<1x1x64x32xf16>)
         kv_length(%n) q_offset(%p) outs(%o : memref<1x1x?x32xf16>) {causal, scale = 2.5e-01 : f64}
  return
}

// A boolean mask, a window behind a sink prefix, sinks, a soft cap and lengths.

// CHECK-LABEL: func.func @attention_variants(
// CHECK-SAME: %[[MASK:[^: ]*]]: memref<1x1x?x64xi1>, %[[SINKS:[^: ]*]]: memref<1xf32>, %[[LENGTHS:[^: ]*]]: memref<1xi64>,
// CHECK: memref.load %[[LENGTHS]]
// CHECK: math.tanh
// CHECK: %[[M:.*]] = memref.load %[[MASK]]
// CHECK: arith.select %[[M]],
// CHECK: arith.cmpi
// CHECK: arith.ori
// CHECK: arith.select
// CHECK: memref.load %[[SINKS]]
func.func @attention_variants(%q: memref<1x1x?x16xf32>, %k: memref<1x1x64x16xf32>, %m: memref<1x1x?x64xi1>, %sinks: memref<1xf32>, %lengths: memref<1xi64>, %o: memref<1x1x?x16xf32>, %n: index, %p: index) {
  hybrid.attention ins(%q, %k, %k : memref<1x1x?x16xf32>, memref<1x1x64x16xf32>, memref<1x1x64x16xf32>)
         mask(%m : memref<1x1x?x64xi1>) sinks(%sinks : memref<1xf32>) lengths(%lengths : memref<1xi64>)
         kv_length(%n) q_offset(%p) outs(%o : memref<1x1x?x16xf32>)
         {scale = 2.5e-01 : f64, softcap = 5.0e+01 : f64, window_left = 8 : i64, sink_prefix = 2 : i64}
  return
}

// Work that is no hybrid computation stays.

// CHECK-LABEL: func.func @others(
// CHECK-NEXT: linalg.fill
// CHECK-NEXT: return
func.func @others(%x: memref<8xf32>, %v: f32) {
  linalg.fill ins(%v : f32) outs(%x : memref<8xf32>)
  return
}

// -----

// Rows in tiles: pieces of the weight's panel, four tiles of sums, then the rows that
// exist. Products of f16 are three of pieces.

// CHECK-LABEL: func.func @tiled_matmul(
// CHECK-SAME: %[[X:[a-z0-9]*]]: memref<?x2x4x16x32xbf16>, %[[W:[a-z0-9]*]]: memref<3x40x32xf16>, %[[O:[a-z0-9]*]]: memref<?x80xf32>
// CHECK-DAG: %[[SUMS:.*]] = memref.alloca() {alignment = 64 : i64} : memref<32x32xf32>
// CHECK-DAG: %[[PART:.*]] = memref.alloca() {alignment = 64 : i64} : memref<2x4x16x32xbf16>
// CHECK: vector.store %{{.*}}, %[[PART]]
// CHECK: amx.tile_load %{{.*}} : memref<64x16xf32> into !amx.tile<16x16xf32>
// CHECK: scf.for
// CHECK-COUNT-2: amx.tile_load %[[X]]
// CHECK: amx.tile_load %[[PART]]
// CHECK-COUNT-12: amx.tile_mulf %{{.*}} : !amx.tile<16x32xbf16>, !amx.tile<16x32xbf16>, !amx.tile<16x16xf32>
// CHECK: scf.yield
// CHECK-COUNT-4: amx.tile_store %[[SUMS]]
// CHECK: vector.maskedstore %[[O]]
func.func @tiled_matmul(%x: memref<?x2x4x16x32xbf16>, %w: memref<3x40x32xf16>, %o: memref<?x80xf32>) {
  hybrid.matmul ins(%x, %w : memref<?x2x4x16x32xbf16>, memref<3x40x32xf16>) outs(%o : memref<?x80xf32>)
  return
}

// CHECK-LABEL: func.func @pack_rows(
// CHECK: scf.if
// CHECK: vector.load %{{.*}} : memref<?x40xf16>, vector<16xf16>
// CHECK: arith.trunci %{{.*}} : vector<16xi32> to vector<16xi16>
// CHECK: vector.store %{{.*}} : memref<?x2x4x16x32xbf16>, vector<16xbf16>
// CHECK: vector.maskedload
func.func @pack_rows(%x: memref<?x40xf16>, %o: memref<?x2x4x16x32xbf16>) {
  hybrid.pack_rows ins(%x : memref<?x40xf16>) outs(%o : memref<?x2x4x16x32xbf16>)
  return
}
