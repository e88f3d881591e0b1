//===- ChooseBranchForms.cpp - branches in turn or side by side -----------===//

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Schedule/Passes.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_CHOOSEBRANCHFORMSPASS
#include "hybrid/Schedule/Passes.h.inc"

namespace {

struct ChooseBranchForms : impl::ChooseBranchFormsPassBase<ChooseBranchForms> {
  using Base::Base;

  LogicalResult initialize(MLIRContext *context) override {
    wanted = symbolizeBranchForm(form);
    if (!wanted && form != "auto")
      return emitError(UnknownLoc::get(context))
             << "'" << form << "' is no form of branches: there are auto, "
             << "sequential, merged and parallel";
    return success();
  }

  void runOnOperation() override {
    getOperation().walk([&](ParallelOp op) {
      if (op.getForm())
        return;
      // Launches side by side cost no more than in turn, and save waiting for
      // the last blocks of each (docs/forms.md has the measurements).
      BranchForm chosen = wanted.value_or(BranchForm::Parallel);
      op.setForm(chosen);
      ++numChosen;
      remark::passed(op.getLoc(), remark::RemarkOpts::name("form").category(
                                      "hybrid-choose-branch-forms"))
          << stringifyEnum(chosen)
          << remark::metric("why", wanted ? "as the option says"
                                          : "fewer launches to wait for");
    });
  }

private:
  std::optional<BranchForm> wanted;
};

} // namespace
} // namespace hybrid
