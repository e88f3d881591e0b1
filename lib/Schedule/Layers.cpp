//===- Layers.cpp - which layer of the model a launch belongs to ----------===//

#include "hybrid/Schedule/Layers.h"

#include "mlir/IR/Location.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace hybrid {

/// A layer that a name states: surely, if the name says that it is one.
struct StatedLayer {
  int64_t number;
  bool isSure;
};

static std::optional<StatedLayer> parseName(StringRef name) {
  SmallVector<StringRef> components;
  llvm::SplitString(name.trim(), components, "./:");
  std::optional<StatedLayer> stated;
  StringRef last;
  for (StringRef component : components) {
    StringRef word =
        component.take_while([](char c) { return !llvm::isDigit(c); });
    StringRef digits = component.drop_front(word.size());
    // Of "layers.3" and "layer_3" the word is in two places.
    StringRef kind = word.empty() ? last : word;
    kind.consume_back("_");
    bool isSure = llvm::StringSwitch<bool>(kind.lower())
                      .Cases({"l", "h", "layer", "layers"}, true)
                      .Cases({"block", "blocks"}, true)
                      .Default(false);
    last = component;
    int64_t number;
    if ((!isSure && !word.empty()) || digits.size() > 5 ||
        digits.getAsInteger(10, number))
      continue;
    if (isSure)
      return StatedLayer{number, true};
    if (!stated)
      stated = {number, false};
  }
  return stated;
}

std::optional<int64_t> parseLayer(StringRef name) {
  if (std::optional<StatedLayer> stated = parseName(name))
    return stated->number;
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

  /// Where the operands of a launch come from.
  struct Sources {
    llvm::SmallSetVector<LaunchOp, 4> launches;
    /// Weights, constants and states.
    llvm::SmallSetVector<Operation *, 4> leaves;
  };
  static Sources getSources(LaunchOp launch);
  static Facts getFacts(LaunchOp launch, const Sources &sources);
  std::string decide(const Facts &facts) const;

  func::FuncOp entry;
  DenseMap<Operation *, Facts> facts;
};

std::string getName(Location loc) {
  std::string found;
  loc->walk([&](Location inner) {
    auto name = dyn_cast<NameLoc>(inner);
    if (name && (found.empty() || parseName(name.getName())))
      found = name.getName().str();
    return parseName(found) ? WalkResult::interrupt() : WalkResult::advance();
  });
  return found;
}

LayerFinder::Sources LayerFinder::getSources(LaunchOp launch) {
  Sources sources;
  llvm::SmallPtrSet<Operation *, 8> seen;
  SmallVector<Value> open(launch->getOperands());
  while (!open.empty()) {
    Operation *op = open.pop_back_val().getDefiningOp();
    if (!op || !seen.insert(op).second)
      continue;
    if (auto producer = dyn_cast<LaunchOp>(op))
      sources.launches.insert(producer);
    else if (isa<WeightOp, ReadStateOp>(op) ||
             (op->hasTrait<OpTrait::ConstantLike>() &&
              isa<ShapedType>(op->getResult(0).getType())))
      sources.leaves.insert(op);
    else
      llvm::append_range(open, op->getOperands());
  }
  return sources;
}

LayerFinder::Facts LayerFinder::getFacts(LaunchOp launch,
                                         const Sources &sources) {
  Facts facts;
  facts.hasProducers = !sources.launches.empty();
  // Names that are surely about layers count most; of others those of states
  // are the most regular.
  std::optional<StatedLayer> ofWeight, ofState;
  for (Operation *leaf : sources.leaves) {
    if (auto state = dyn_cast<ReadStateOp>(leaf)) {
      if (!ofState)
        ofState = parseName(state.getState());
      continue;
    }
    facts.hasWeights = true;
    auto weight = dyn_cast<WeightOp>(leaf);
    auto stated =
        parseName(weight ? weight.getName().str() : getName(leaf->getLoc()));
    if (stated && (!ofWeight || (stated->isSure && !ofWeight->isSure)))
      ofWeight = stated;
  }
  std::optional<StatedLayer> ofNode = parseName(getName(launch.getLoc()));
  std::optional<StatedLayer> sure, unsure;
  for (const auto &stated : {ofNode, ofWeight, ofState})
    if (stated && stated->isSure && !sure)
      sure = stated;
  for (const auto &stated : {ofState, ofWeight, ofNode})
    if (stated && !unsure)
      unsure = stated;
  if (sure || unsure)
    facts.own = (sure ? sure : unsure)->number;
  return facts;
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
  DenseMap<Operation *, Sources> sources;
  for (LaunchOp launch : launches) {
    const Sources &own = sources[launch] = getSources(launch);
    Facts known = getFacts(launch, own);
    for (LaunchOp producer : own.launches) {
      const Facts &source = facts[producer];
      std::optional<int64_t> layer = source.own ? source.own : source.before;
      if (layer)
        known.before = std::max(known.before.value_or(*layer), *layer);
    }
    facts[launch] = known;
  }
  for (LaunchOp launch : llvm::reverse(launches)) {
    const Facts user = facts[launch];
    std::optional<int64_t> first = user.own ? user.own : user.after;
    std::optional<int64_t> last = user.own ? user.own : user.lastAfter;
    if (!first)
      continue;
    for (LaunchOp producer : sources[launch].launches) {
      Facts &known = facts[producer];
      known.after = std::min(known.after.value_or(*first), *first);
      known.lastAfter = std::max(known.lastAfter.value_or(*last), *last);
    }
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
