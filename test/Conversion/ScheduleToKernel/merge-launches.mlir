// RUN: hybrid-opt %s --hybrid-merge-launches | FileCheck %s

// Grids lie one behind another. What a part has on the stack comes first.

// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[N:[^:]*]]: index, %[[M:[^:]*]]: index
// CHECK: %[[ALL:.*]] = arith.addi %[[N]], %[[M]]
// CHECK-NEXT: hybrid.launch @group_0 grid(%[[ALL]]) ins({{.*}}) outs({{.*}}) sizes(%{{.*}}, %[[N]], %[[M]])
// A copy of the same group shares the kernel; parts that turned out to depend on
// each other stay apart, and with them the kernel that is still used.
// CHECK: hybrid.launch @group_0
// CHECK: hybrid.launch @first grid
// CHECK-NOT: hybrid.group
// CHECK: hybrid.launch @first grid

// CHECK-LABEL: func.func private @group_0(
// CHECK-SAME: %[[X:[^:]*]]: memref<8xf32>, %[[Y:[^:]*]]: memref<8xf32>, %[[A:[^:]*]]: memref<8xf32>, %[[B:[^:]*]]: memref<8xf32>, %[[S:[^:]*]]: index, %[[GRID:[^:]*]]: index, %{{[^:]*}}: index, %[[BLOCK:[^:]*]]: index) attributes {hybrid.kernel}
// CHECK: memref.alloca
// CHECK: %[[FIRST:.*]] = arith.cmpi ult, %[[BLOCK]], %[[GRID]]
// CHECK: scf.if %[[FIRST]] {
// CHECK: memref.load %[[X]][%[[BLOCK]]]
// CHECK: memref.store %{{.*}}, %[[A]][%[[BLOCK]]]
// CHECK: } else {
// CHECK: %[[REST:.*]] = arith.subi %[[BLOCK]], %[[GRID]]
// CHECK: memref.load %[[Y]][%[[S]]]
// CHECK: memref.store %{{.*}}, %[[B]][%[[REST]]]
// CHECK: }

// CHECK: func.func private @first(
// CHECK-NOT: func.func private @second(
module {
  func.func @main(%n: index, %m: index, %x: memref<8xf32>, %y: memref<8xf32>, %a: memref<8xf32>, %b: memref<8xf32>) attributes {hybrid.entry} {
    hybrid.launch @first grid(%n) ins(%x : memref<8xf32>) outs(%a : memref<8xf32>) {hybrid.group = 0 : i64}
    hybrid.launch @second grid(%m) ins(%y : memref<8xf32>) outs(%b : memref<8xf32>) sizes(%n) {hybrid.group = 0 : i64}
    hybrid.launch @first grid(%n) ins(%a : memref<8xf32>) outs(%x : memref<8xf32>) {hybrid.group = 1 : i64}
    hybrid.launch @second grid(%m) ins(%b : memref<8xf32>) outs(%y : memref<8xf32>) sizes(%n) {hybrid.group = 1 : i64}
    hybrid.launch @first grid(%n) ins(%x : memref<8xf32>) outs(%a : memref<8xf32>) {hybrid.group = 2 : i64}
    hybrid.launch @first grid(%n) ins(%a : memref<8xf32>) outs(%b : memref<8xf32>) {hybrid.group = 2 : i64}
    return
  }
  func.func private @first(%x: memref<8xf32>, %o: memref<8xf32>, %block: index) attributes {hybrid.kernel} {
    %v = memref.load %x[%block] : memref<8xf32>
    memref.store %v, %o[%block] : memref<8xf32>
    return
  }
  func.func private @second(%x: memref<8xf32>, %o: memref<8xf32>, %s: index, %block: index) attributes {hybrid.kernel} {
    %t = memref.alloca() : memref<1xf32>
    %c0 = arith.constant 0 : index
    %v = memref.load %x[%s] : memref<8xf32>
    memref.store %v, %t[%c0] : memref<1xf32>
    %w = memref.load %t[%c0] : memref<1xf32>
    memref.store %w, %o[%block] : memref<8xf32>
    return
  }
}
