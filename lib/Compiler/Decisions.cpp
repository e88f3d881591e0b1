//===- Decisions.cpp - the remarks of a compilation -----------------------===//

#include "Decisions.h"

#include "mlir/IR/Location.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/StringMap.h"

#include <mutex>

using namespace mlir;

namespace hybrid {
namespace {

class Collector : public remark::detail::MLIRRemarkStreamerBase {
public:
  explicit Collector(std::vector<Decision> &decisions) : decisions(decisions) {}

  /// Passes on different functions run side by side.
  void streamOptimizationRemark(const remark::detail::Remark &remark) override {
    Decision decision;
    decision.pass = remark.getCombinedCategoryName().str();
    decision.name = remark.getRemarkName().str();
    decision.node = getNode(remark.getLocation());
    decision.done = remark.getRemarkType() == llvm::remarks::Type::Passed ||
                    remark.getRemarkType() == llvm::remarks::Type::Analysis;
    llvm::raw_string_ostream os(decision.message);
    llvm::interleave(
        remark.getArgs(), os,
        [&](const remark::detail::Remark::Arg &arg) {
          if (arg.key != "Remark" && arg.key != "Reason")
            os << arg.key << " = ";
          os << arg.val;
        },
        ", ");
    std::string key = decision.pass + '\0' + decision.name + '\0' +
                      decision.node + '\0' + decision.message;
    std::lock_guard<std::mutex> guard(mutex);
    auto [known, isNew] = indices.try_emplace(key, decisions.size());
    if (isNew)
      decisions.push_back(std::move(decision));
    else
      ++decisions[known->second].count;
  }

private:
  static std::string getNode(Location loc) {
    std::string name;
    loc->walk([&](Location inner) {
      if (auto named = dyn_cast<NameLoc>(inner))
        name = named.getName().str();
      return name.empty() ? WalkResult::advance() : WalkResult::interrupt();
    });
    return name;
  }

  std::vector<Decision> &decisions;
  llvm::StringMap<size_t> indices;
  std::mutex mutex;
};

} // namespace

void collectDecisions(MLIRContext &context, std::vector<Decision> &decisions) {
  remark::RemarkCategories all;
  all.passed = all.missed = all.analysis = all.failed = ".*";
  LogicalResult done = remark::enableOptimizationRemarks(
      context, std::make_unique<Collector>(decisions),
      std::make_unique<remark::RemarkEmittingPolicyAll>(), all);
  assert(succeeded(done) && "a fresh context takes a collector");
  (void)done;
}

} // namespace hybrid
