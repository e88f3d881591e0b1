// RUN: hybrid-opt %s --hybrid-group-launches | FileCheck %s
// RUN: hybrid-opt %s --hybrid-group-launches=max-parts=1 | FileCheck %s --check-prefix=ALONE
// RUN: hybrid-opt %s --hybrid-group-launches --remarks-filter="hybrid-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// ALONE-NOT: hybrid.group

// REMARK: Passed{{.*}}independent launches run side by side: double, double
// REMARK: Passed{{.*}}independent launches run side by side: add, add

module {
  hybrid.state @s conv present "t" : tensor<?x8xf32>
  func.func private @double(%x: tensor<?x8xf32>, %o: tensor<?x8xf32> {hybrid.writeonly}) -> tensor<?x8xf32> attributes {hybrid.kernel} {
    return %o : tensor<?x8xf32>
  }
  func.func private @add(%x: tensor<?x8xf32>, %y: tensor<?x8xf32>, %o: tensor<?x8xf32> {hybrid.writeonly}) -> tensor<?x8xf32> attributes {hybrid.kernel} {
    return %o : tensor<?x8xf32>
  }
  func.func private @update(%x: tensor<?x8xf32>, %o: tensor<?x8xf32>) -> tensor<?x8xf32> attributes {hybrid.kernel} {
    return %o : tensor<?x8xf32>
  }

  // Chains side by side; a view moves with what it is of.
  // CHECK-LABEL: func.func @main(
  // CHECK: %[[A:.*]] = hybrid.launch @double {{.*}} {hybrid.group = 0 : i64}
  // CHECK-NEXT: %[[B:.*]] = hybrid.launch @double {{.*}} {hybrid.group = 0 : i64}
  // CHECK-NEXT: tensor.cast %[[A]]
  // CHECK-NEXT: hybrid.launch @add {{.*}} {hybrid.group = 1 : i64}
  // CHECK-NEXT: hybrid.launch @add {{.*}} {hybrid.group = 1 : i64}
  func.func @main(%x: tensor<?x8xf32>, %y: tensor<?x8xf32>, %n: index) -> (tensor<?x8xf32>, tensor<?x8xf32>) attributes {hybrid.entry} {
    %o = tensor.empty(%n) : tensor<?x8xf32>
    %a = hybrid.launch @double ins(%x : tensor<?x8xf32>) outs(%o : tensor<?x8xf32>) -> tensor<?x8xf32>
    %view = tensor.cast %a : tensor<?x8xf32> to tensor<?x8xf32>
    %c = hybrid.launch @add ins(%view, %x : tensor<?x8xf32>, tensor<?x8xf32>) outs(%o : tensor<?x8xf32>) -> tensor<?x8xf32>
    %b = hybrid.launch @double ins(%y : tensor<?x8xf32>) outs(%o : tensor<?x8xf32>) -> tensor<?x8xf32>
    %d = hybrid.launch @add ins(%b, %x : tensor<?x8xf32>, tensor<?x8xf32>) outs(%o : tensor<?x8xf32>) -> tensor<?x8xf32>
    return %c, %d : tensor<?x8xf32>, tensor<?x8xf32>
  }

  // A state is read before it is updated in place.
  // CHECK-LABEL: func.func @in_place(
  // CHECK: hybrid.launch @double ins(%[[S:[^ ]*]] : tensor<?x8xf32>)
  // CHECK-NOT: hybrid.group
  // CHECK: hybrid.launch @update ins(%{{.*}}) outs(%[[S]] : tensor<?x8xf32>)
  func.func @in_place(%x: tensor<?x8xf32>, %n: index) -> tensor<?x8xf32> attributes {hybrid.entry} {
    %s = hybrid.read_state @s : tensor<?x8xf32>
    %o = tensor.empty(%n) : tensor<?x8xf32>
    %a = hybrid.launch @double ins(%s : tensor<?x8xf32>) outs(%o : tensor<?x8xf32>) -> tensor<?x8xf32>
    %u = hybrid.launch @update ins(%x : tensor<?x8xf32>) outs(%s : tensor<?x8xf32>) -> tensor<?x8xf32>
    hybrid.write_state %u, @s : tensor<?x8xf32>
    return %a : tensor<?x8xf32>
  }

  // Branches that run one after another are not in one group; what is of no branch
  // goes where it can.
  // CHECK-LABEL: func.func @branches(
  // CHECK-SAME: %[[X:[a-z0-9]*]]: tensor<?x8xf32>, %[[Y:[a-z0-9]*]]: tensor<?x8xf32>, %[[Z:[a-z0-9]*]]: tensor<?x8xf32>
  // CHECK: hybrid.launch @double ins(%[[X]] : tensor<?x8xf32>) {{.*}} {hybrid.group = [[GROUP:[0-9]+]] : i64}
  // CHECK-NEXT: hybrid.launch @double ins(%[[Z]] : tensor<?x8xf32>) {{.*}} {hybrid.group = [[GROUP]] : i64}
  // CHECK-NEXT: hybrid.launch @double ins(%[[Y]] : tensor<?x8xf32>)
  // CHECK-NOT: hybrid.group
  // CHECK: hybrid.launch @add
  func.func @branches(%x: tensor<?x8xf32>, %y: tensor<?x8xf32>, %z: tensor<?x8xf32>, %n: index) -> (tensor<?x8xf32>, tensor<?x8xf32>) attributes {hybrid.entry} {
    %o = tensor.empty(%n) : tensor<?x8xf32>
    %a = hybrid.launch @double ins(%x : tensor<?x8xf32>) outs(%o : tensor<?x8xf32>) -> tensor<?x8xf32> loc(fused<#hybrid.branch<0, 0>>["a"])
    %b = hybrid.launch @double ins(%y : tensor<?x8xf32>) outs(%o : tensor<?x8xf32>) -> tensor<?x8xf32> loc(fused<#hybrid.branch<0, 1>>["b"])
    %c = hybrid.launch @double ins(%z : tensor<?x8xf32>) outs(%o : tensor<?x8xf32>) -> tensor<?x8xf32>
    %d = hybrid.launch @add ins(%a, %b : tensor<?x8xf32>, tensor<?x8xf32>) outs(%o : tensor<?x8xf32>) -> tensor<?x8xf32> loc(fused<#hybrid.branch<0, 0>>["d", fused<#hybrid.branch<0, 1>>["e"]])
    return %c, %d : tensor<?x8xf32>, tensor<?x8xf32>
  }
}
