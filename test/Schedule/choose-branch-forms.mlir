// RUN: hybrid-opt %s --hybrid-choose-branch-forms | FileCheck %s --check-prefixes=CHECK,AUTO
// RUN: hybrid-opt %s --hybrid-choose-branch-forms=form=merged | FileCheck %s --check-prefixes=CHECK,MERGED
// RUN: hybrid-opt %s --hybrid-choose-branch-forms=form=sequential --remarks-filter="hybrid-choose-branch-forms" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: not hybrid-opt %s --hybrid-choose-branch-forms=form=none 2>&1 | FileCheck %s --check-prefix=ERROR

// REMARK: remark: [Passed] form | Category:hybrid-choose-branch-forms
// REMARK-SAME: sequential
// REMARK-SAME: as the option says
// REMARK-NOT: remark:
// ERROR: 'none' is no form of branches: there are auto, sequential, merged and parallel

// CHECK-LABEL: func.func @choose(
func.func @choose(%a: tensor<4xf32>, %b: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  // AUTO: form = #hybrid.branch_form<parallel>
  // MERGED: form = #hybrid.branch_form<merged>
  %0 = hybrid.parallel add {
    hybrid.yield %a : tensor<4xf32>
  }, {
    hybrid.yield %b : tensor<4xf32>
  } : tensor<4xf32>
  // An operation's own form stays.
  // CHECK: form = #hybrid.branch_form<sequential>
  %1 = hybrid.parallel sub {
    hybrid.yield %a : tensor<4xf32>
  }, {
    hybrid.yield %b : tensor<4xf32>
  } {form = #hybrid.branch_form<sequential>} : tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}
