//===- Layers.cpp - which layer of the model a launch belongs to ----------===//

#include "hybrid/Schedule/Layers.h"

#include "hybrid/Schedule/CostModel.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Location.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace hybrid {

std::optional<int64_t> parseLayer(StringRef name) {
  SmallVector<StringRef> components;
  name = name.trim();
  while (!name.empty()) {
    size_t end = name.find_first_of("./:");
    components.push_back(name.take_front(end));
    name = end == StringRef::npos ? StringRef() : name.drop_front(end + 1);
  }
  for (StringRef component : components) {
    StringRef word = component.take_while(
        [](char c) { return !llvm::isDigit(c); });
    StringRef digits = component.drop_front(word.size());
    word.consume_back("_");
    bool isLayer = llvm::StringSwitch<bool>(word.lower())
                       .Cases({"", "l", "h", "layer", "layers"}, true)
                       .Cases({"block", "blocks"}, true)
                       .Default(false);
    int64_t number;
    if (isLayer && digits.size() < 6 && !digits.getAsInteger(10, number))
      return number;
  }
  return std::nullopt;
}

namespace {

class LayerFinder {
public:
  explicit LayerFinder(func::FuncOp entry) : entry(entry) {}
  DenseMap<Operation *, std::string> run();

private:
  /// What is known of a launch.
  struct Facts {
    /// Stated by a name.
    std::optional<int64_t> own;
    /// Of what it computes on, the last layer; of what uses it, the first and
    /// the last.
    std::optional<int64_t> before, after, lastAfter;
    bool hasWeights = false, hasProducers = false;
  };

  static std::optional<int64_t> getStated(LaunchOp launch, bool &hasWeights);
  static std::optional<int64_t> getStated(Location loc);
  /// Calls `fn` with each launch whose result is an operand of `launch`.
  static void forProducers(LaunchOp launch, function_ref<void(LaunchOp)> fn);
  std::string decide(const Facts &facts) const;

  func::FuncOp entry;
  DenseMap<Operation *, Facts> facts;
};

std::optional<int64_t> LayerFinder::getStated(Location loc) {
  std::optional<int64_t> layer;
  loc->walk([&](Location inner) {
    if (auto name = dyn_cast<NameLoc>(inner))
      layer = parseLayer(name.getName());
    return layer ? WalkResult::interrupt() : WalkResult::advance();
  });
  return layer;
}

/// The operation behind views and updates in place.
Operation *getRoot(Value value, function_ref<void(LaunchOp)> onLaunch) {
  while (Operation *op = value.getDefiningOp()) {
    if (auto launch = dyn_cast<LaunchOp>(op))
      onLaunch(launch);
    if (isa<tensor::ExtractSliceOp, tensor::CastOp, tensor::ExpandShapeOp,
            tensor::CollapseShapeOp>(op)) {
      value = op->getOperand(0);
      continue;
    }
    auto destination = dyn_cast<DestinationStyleOpInterface>(op);
    OpOperand *init =
        destination ? destination.getTiedOpOperand(cast<OpResult>(value))
                    : nullptr;
    if (!init || !readsDestination(op, *init))
      return op;
    value = init->get();
  }
  return nullptr;
}

void LayerFinder::forProducers(LaunchOp launch,
                               function_ref<void(LaunchOp)> fn) {
  for (Value operand : launch->getOperands()) {
    bool isFirst = true;
    getRoot(operand, [&](LaunchOp producer) {
      if (isFirst)
        fn(producer);
      isFirst = false;
    });
  }
}

std::optional<int64_t> LayerFinder::getStated(LaunchOp launch,
                                              bool &hasWeights) {
  std::optional<int64_t> ofNode = getStated(launch.getLoc()), ofWeight, ofState;
  for (Value operand : launch->getOperands()) {
    Operation *root = getRoot(operand, [](LaunchOp) {});
    if (!root || !isa<ShapedType>(operand.getType()))
      continue;
    std::optional<int64_t> layer;
    if (auto weight = dyn_cast<WeightOp>(root)) {
      layer = parseLayer(weight.getName());
    } else if (root->hasTrait<OpTrait::ConstantLike>()) {
      layer = getStated(root->getLoc());
    } else if (auto state = dyn_cast<ReadStateOp>(root)) {
      if (!ofState)
        ofState = parseLayer(state.getState());
      continue;
    } else {
      continue;
    }
    hasWeights = true;
    if (!ofWeight)
      ofWeight = layer;
  }
  return ofNode ? ofNode : ofWeight ? ofWeight : ofState;
}

std::string LayerFinder::decide(const Facts &f) const {
  if (f.own)
    return std::to_string(*f.own);
  if (!f.before && !f.after)
    return "shared";
  if (!f.before) {
    if (f.hasWeights && !f.hasProducers)
      return "embedding";
    return f.after == f.lastAfter ? std::to_string(*f.after) : "shared";
  }
  if (!f.after)
    return f.hasWeights ? "head" : std::to_string(*f.before);
  return std::to_string(f.hasWeights ? *f.after : *f.before);
}

DenseMap<Operation *, std::string> LayerFinder::run() {
  SmallVector<LaunchOp> launches(entry.getBody().front().getOps<LaunchOp>());
  for (LaunchOp launch : launches) {
    Facts own;
    own.own = getStated(launch, own.hasWeights);
    forProducers(launch, [&](LaunchOp producer) {
      own.hasProducers = true;
      const Facts &known = facts[producer];
      std::optional<int64_t> layer = known.own ? known.own : known.before;
      if (layer)
        own.before = std::max(own.before.value_or(*layer), *layer);
    });
    facts[launch] = own;
  }
  for (LaunchOp launch : llvm::reverse(launches)) {
    const Facts user = facts[launch];
    std::optional<int64_t> first = user.own ? user.own : user.after;
    std::optional<int64_t> last = user.own ? user.own : user.lastAfter;
    if (!first)
      continue;
    forProducers(launch, [&](LaunchOp producer) {
      Facts &known = facts[producer];
      known.after = std::min(known.after.value_or(*first), *first);
      known.lastAfter = std::max(known.lastAfter.value_or(*last), *last);
    });
  }
  DenseMap<Operation *, std::string> layers;
  for (LaunchOp launch : launches)
    layers[launch] = decide(facts[launch]);
  return layers;
}

} // namespace

DenseMap<Operation *, std::string> getLayers(func::FuncOp entry) {
  return LayerFinder(entry).run();
}

} // namespace hybrid
