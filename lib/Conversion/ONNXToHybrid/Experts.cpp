//===- Experts.cpp - mixtures of experts ----------------------------------===//

#include "BlockQuantized.h"
#include "Contraction.h"
#include "Scalars.h"

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMicrosoftOps.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace hybrid;

//===----------------------------------------------------------------------===//
// Route, ExpertMatMul
//===----------------------------------------------------------------------===//

/// One row for each element of the leading dimensions.
static Shape flatten(Lowering &l, ShapeRef shape) {
  return {l.product(shape.drop_back()), shape.back()};
}

namespace {
struct Routes {
  /// i64 and floats [rows, chosen].
  Tensor experts, weights;
};
} // namespace

/// `logits` and `bias`, which may be absent, as hybrid.route has them;
/// attributes of `grouped`, if any.
static Routes createRoute(Lowering &l, const Tensor &logits, const Tensor &bias,
                          int64_t chosen, RouteScore score, RouteWeight weight,
                          double epsilon, double scale,
                          onnx::RouteOp grouped = {}) {
  Shape shape = {logits.shape[0], l.fixed(chosen)};
  Tensor experts = l.empty(shape, l.b.getI64Type()),
         weights = l.empty(shape, logits.getElementType());
  auto route = RouteOp::create(
      l.b, l.loc, TypeRange{experts.value.getType(), weights.value.getType()},
      logits.value, bias.value, experts.value, weights.value, score, weight,
      APFloat(epsilon), APFloat(scale), /*groups=*/1, /*chosen_groups=*/1,
      /*group_best=*/1, /*others=*/FloatAttr());
  if (grouped && grouped.getGroups() > 1) {
    route.setGroups(grouped.getGroups());
    route.setChosenGroups(grouped.getChosenGroups());
    route.setGroupBest(grouped.getGroupBest());
    route.setOthersAttr(grouped.getOthersAttr());
  }
  return {{route->getResult(0), shape}, {route->getResult(1), shape}};
}

static LogicalResult lowerRoute(onnx::RouteOp op, Lowering &l) {
  std::optional<RouteScore> score = symbolizeRouteScore(op.getScore());
  std::optional<RouteWeight> weight = symbolizeRouteWeight(op.getWeight());
  if (!score || !weight)
    return l.unsupported(op, "its score or weight is not known");
  Tensor logits = l.get(op.getLogits());
  Routes routes = createRoute(l, l.reshape(logits, flatten(l, logits.shape)),
                              l.get(op.getBias()), op.getK(), *score, *weight,
                              op.getEpsilon().convertToDouble(),
                              op.getScale().convertToDouble(), op);
  l.set(op.getExperts(), l.reshape(routes.experts, l.shape(op.getExperts())));
  l.set(op.getWeights(), l.reshape(routes.weights, l.shape(op.getWeights())));
  return success();
}

/// Rows [N,H] by matrices [E,O,H] or (isTransposed) [E,H,O].
static Tensor createProduct(Lowering &l, const Tensor &rows,
                            const Tensor &matrices, const Tensor &experts,
                            int64_t chosen, bool isTransposed) {
  Tensor init =
      l.empty({experts.shape[0], matrices.shape[isTransposed ? 2 : 1]},
              rows.getElementType());
  auto product = ExpertMatMulOp::create(
      l.b, l.loc, TypeRange{init.value.getType()}, rows.value, matrices.value,
      experts.value, init.value, chosen, isTransposed);
  return {product->getResult(0), init.shape};
}

static LogicalResult lowerExpertMatMul(onnx::ExpertMatMulOp op, Lowering &l) {
  l.set(op.getOutput(),
        createProduct(l, l.get(op.getInput()), l.get(op.getWeight()),
                      l.get(op.getExperts()), op.getChosen(),
                      op.getTransposed()));
  return success();
}

//===----------------------------------------------------------------------===//
// MoE
//===----------------------------------------------------------------------===//

namespace {
enum class ExpertActivation { Unknown, Identity, Relu, Silu, SwiGLU };

/// com.microsoft MoE and QMoE: a router, one or two products.
template <typename MoEOp>
class MixtureLowering {
public:
  MixtureLowering(MoEOp op, Lowering &l) : op(op), l(l) {}
  LogicalResult lower();

private:
  static constexpr bool isQuantized = std::is_same_v<MoEOp, onnx::MsQMoEOp>;

  LogicalResult check();
  LogicalResult checkQuantized();
  /// The matrices [experts, outputs, inputs].
  FailureOr<Tensor> getMatrices(Value weights, Value scales, Value zeros,
                                std::optional<int64_t> bits);
  FailureOr<std::pair<Tensor, Tensor>> getUpAndDown();
  Tensor addBias(const Tensor &rows, const Tensor &bias, const Tensor &experts);
  Tensor activate(const Tensor &rows);
  Value activateGate(const Scalars &s, Value gate, Value linear);

  MoEOp op;
  Lowering &l;
  ExpertActivation activation = ExpertActivation::Unknown;
};
} // namespace

template <typename MoEOp>
LogicalResult MixtureLowering<MoEOp>::check() {
  activation = llvm::StringSwitch<ExpertActivation>(op.getActivationType())
                   .Case("identity", ExpertActivation::Identity)
                   .Case("relu", ExpertActivation::Relu)
                   .Case("silu", ExpertActivation::Silu)
                   .Case("swiglu", ExpertActivation::SwiGLU)
                   .Default(ExpertActivation::Unknown);
  if (activation == ExpertActivation::Unknown)
    return l.unsupported(op, "activation_type " + op.getActivationType(),
                         "identity, relu, silu and swiglu work");
  if (!Lowering::isAbsent(op.getFc3ExpertsWeights()) ||
      !Lowering::isAbsent(op.getFc3ExpertsBias()))
    return l.unsupported(op, "fc3_experts_weights",
                         "swiglu with swiglu_fusion 1 or 2 works");
  if (op.getUseSparseMixer())
    return l.unsupported(op, "use_sparse_mixer = 1");
  if (op.getSwigluLimitAfterActivation())
    return l.unsupported(op, "swiglu_limit_after_activation = 1");
  int64_t fusion = op.getSwigluFusion();
  if (activation == ExpertActivation::SwiGLU && fusion != 1 && fusion != 2)
    return l.unsupported(op, "swiglu_fusion " + Twine(fusion),
                         "1 (interleaved) and 2 (halves) work");
  unsigned rank = l.rank(op.getInput());
  if ((rank != 2 && rank != 3) || l.rank(op.getRouterProbs()) != 2 ||
      l.rank(op.getFc1ExpertsWeights()) != 3 ||
      l.rank(op.getFc2ExpertsWeights()) != 3)
    return l.unsupported(op, "inputs of these ranks");
  std::optional<int64_t> experts =
      l.getFixed(l.shape(op.getRouterProbs()).back());
  if (op.getK() < 1 || !experts || *experts < int64_t(op.getK()))
    return l.unsupported(op, "k = " + Twine(op.getK()),
                         "1 to the number of experts, which is fixed, works");
  if constexpr (isQuantized)
    return checkQuantized();
  return success();
}

template <typename MoEOp>
LogicalResult MixtureLowering<MoEOp>::checkQuantized() {
  if (op.getQuantType() != "int")
    return l.unsupported(op, "quant_type " + op.getQuantType(), "int works");
  if (op.getWeightsPrepacked() == 1)
    return l.unsupported(op, "weights_prepacked = 1",
                         "weights in rows (0, or no attribute) work");
  for (Value value :
       {op.getRouterWeights(), op.getFc1GlobalScale(), op.getFc2GlobalScale(),
        op.getFc1ActScale(), op.getFc2ActScale(), op.getFc1ActBlockScale(),
        op.getFc2ActBlockScale()})
    if (!Lowering::isAbsent(value))
      return l.unsupported(op,
                           "router_weights, global scales or activation scales",
                           "weights with scales and zero points work");
  return success();
}

/// Packed rows [experts, outputs, bytes], and a scale for each row, or for each
/// block of a row.
template <typename MoEOp>
FailureOr<Tensor>
MixtureLowering<MoEOp>::getMatrices(Value weights, Value scales, Value zeros,
                                    std::optional<int64_t> ownBits) {
  int64_t bits = ownBits.value_or(op.getExpertWeightBits());
  Tensor bytes = l.get(weights), factors = l.get(scales),
         offsets = l.get(zeros);
  std::optional<int64_t> packed = l.getFixed(bytes.shape[2]);
  auto error = [&](const Twine &what, StringRef works) -> FailureOr<Tensor> {
    (void)l.unsupported(op, what, works);
    return failure();
  };
  if ((bits != 2 && bits != 4 && bits != 8) || !packed || *packed < 1 ||
      !bytes.getElementType().isInteger(8))
    return error("weights of " + Twine(bits) + " bits in this type",
                 "uint8 with 2, 4 or 8 bits works");
  int64_t columns = *packed * 8 / bits, blocks = 1;
  if (std::optional<int64_t> block = op.getBlockSize(); block && *block > 0) {
    if (*block > columns || columns % *block != 0)
      return error("block_size " + Twine(*block),
                   "a divisor of the rows' length works");
    blocks = columns / *block;
  }
  AffineExpr rows = l.product({bytes.shape[0], bytes.shape[1]});
  auto hasElements = [&](const Tensor &tensor, int64_t perRow) {
    return tensor && l.isEqual(l.product(tensor.shape), rows * perRow);
  };
  if (!hasElements(factors, blocks))
    return error("scales of this shape",
                 "one for each row, or for each block of a row, works");
  bool arePacked = offsets && offsets.getElementType().isInteger(8);
  int64_t width = arePacked ? (blocks * bits + 7) / 8 : blocks;
  if (offsets && !hasElements(offsets, width))
    return error("zero points of this shape",
                 "one for each scale, packed like the weights, works");
  auto toRows = [&](const Tensor &tensor, int64_t count) {
    return l.reshape(tensor, {rows, l.fixed(count)});
  };
  Tensor matrix = dequantizeRows(
      l, toRows(bytes, *packed), toRows(factors, blocks),
      offsets ? toRows(offsets, width) : Tensor(), bits, columns);
  return l.reshape(matrix, {bytes.shape[0], bytes.shape[1], l.fixed(columns)});
}

template <typename MoEOp>
FailureOr<std::pair<Tensor, Tensor>> MixtureLowering<MoEOp>::getUpAndDown() {
  if constexpr (isQuantized) {
    FailureOr<Tensor> up =
        getMatrices(op.getFc1ExpertsWeights(), op.getFc1Scales(),
                    op.getFc1ZeroPoints(), op.getFc1ExpertWeightBits());
    FailureOr<Tensor> down =
        getMatrices(op.getFc2ExpertsWeights(), op.getFc2Scales(),
                    op.getFc2ZeroPoints(), op.getFc2ExpertWeightBits());
    if (failed(up) || failed(down))
      return failure();
    return std::pair(*up, *down);
  } else {
    return std::pair(l.get(op.getFc1ExpertsWeights()),
                     l.get(op.getFc2ExpertsWeights()));
  }
}

/// bias[experts[m], o] added to rows[m, o].
template <typename MoEOp>
Tensor MixtureLowering<MoEOp>::addBias(const Tensor &rows, const Tensor &bias,
                                       const Tensor &experts) {
  if (!bias)
    return rows;
  Type type = rows.getElementType(), compute = getComputeType(type);
  return l.elementwise(
      {rows, l.unsqueeze(experts, 1)}, rows.shape, type,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Scalars s{b, loc};
        Value expert = s.clampIndex(args[1], l.index(bias.shape[0]));
        Value added = s.extract(bias.value, {expert, s.loopIndex(1)});
        return s.convert(
            s.add(s.convert(args[0], compute), s.convert(added, compute)),
            type);
      });
}

/// gate · sigmoid(alpha · gate) · (linear + beta), both limited before.
template <typename MoEOp>
Value MixtureLowering<MoEOp>::activateGate(const Scalars &s, Value gate,
                                           Value linear) {
  if (std::optional<APFloat> limit = op.getSwigluLimit()) {
    Value most = s.like(gate, limit->convertToDouble());
    gate = s.min(gate, most);
    linear = s.max(s.min(linear, most), s.neg(most));
  }
  double alpha = op.getActivationAlpha().convertToDouble(),
         beta = op.getActivationBeta().convertToDouble();
  Value swish = s.mul(gate, s.sigmoid(s.mul(gate, s.like(gate, alpha))));
  return s.mul(swish, s.add(linear, s.like(linear, beta)));
}

template <typename MoEOp>
Tensor MixtureLowering<MoEOp>::activate(const Tensor &rows) {
  Type type = rows.getElementType(), compute = getComputeType(type);
  if (activation == ExpertActivation::Identity)
    return rows;
  if (activation != ExpertActivation::SwiGLU)
    return l.elementwise({rows}, rows.shape, type,
                         [&](OpBuilder &b, Location loc, ValueRange args) {
                           Scalars s{b, loc};
                           Value x = s.convert(args[0], compute);
                           Value y = activation == ExpertActivation::Relu
                                         ? s.max(x, s.like(x, 0))
                                         : s.mul(x, s.sigmoid(x));
                           return s.convert(y, type);
                         });
  int64_t half = *l.getFixed(rows.shape[1]) / 2;
  bool isInterleaved = op.getSwigluFusion() == 1;
  Shape shape = {rows.shape[0], l.fixed(half)};
  auto part = [&](int64_t which) {
    return l.extractSlice(
        rows, {l.fixed(0), l.fixed(isInterleaved ? which : which * half)},
        shape, {1, isInterleaved ? 2 : 1});
  };
  return l.elementwise({part(0), part(1)}, shape, type,
                       [&](OpBuilder &b, Location loc, ValueRange args) {
                         Scalars s{b, loc};
                         return s.convert(
                             activateGate(s, s.convert(args[0], compute),
                                          s.convert(args[1], compute)),
                             type);
                       });
}

template <typename MoEOp>
LogicalResult MixtureLowering<MoEOp>::lower() {
  if (failed(check()))
    return failure();
  auto matrices = getUpAndDown();
  if (failed(matrices))
    return failure();
  auto [up, down] = *matrices;
  Tensor input = l.get(op.getInput());
  std::optional<int64_t> inner = l.getFixed(up.shape[1]),
                         width = l.getFixed(down.shape[2]);
  bool isGated = activation == ExpertActivation::SwiGLU;
  if (!inner || !width || *inner != *width * (isGated ? 2 : 1) ||
      !l.isEqual(up.shape[2], input.shape.back()) ||
      !l.isEqual(down.shape[1], input.shape.back()))
    return l.unsupported(op, "the matrices of the experts don't fit together",
                         "fc1 [experts, inner or twice, hidden] and fc2 "
                         "[experts, hidden, inner] work");
  int64_t chosen = op.getK();
  // QMoE's weights are a softmax over the chosen, whether normalised or not:
  // that is what onnxruntime computes.
  RouteScore score = isQuantized ? RouteScore::Identity : RouteScore::Softmax;
  RouteWeight weight = isQuantized                       ? RouteWeight::Softmax
                       : op.getNormalizeRoutingWeights() ? RouteWeight::Share
                                                         : RouteWeight::Score;
  Routes routes = createRoute(l, l.get(op.getRouterProbs()), {}, chosen, score,
                              weight, /*epsilon=*/0, /*scale=*/1);
  Tensor experts = l.reshape(routes.experts, {l.product(routes.experts.shape)});
  Tensor rows = l.reshape(input, flatten(l, input.shape));
  Tensor each = createProduct(l, rows, up, experts, chosen, false);
  each = activate(addBias(each, l.get(op.getFc1ExpertsBias()), experts));
  each = createProduct(l, each, down, experts, 1, false);
  each = addBias(each, l.get(op.getFc2ExpertsBias()), experts);

  enum : Label { kRow, kChosen, kColumn };
  Shape terms = {rows.shape[0], l.fixed(chosen), each.shape[1]};
  LabelSizes labels = {
      {kRow, terms[0]}, {kChosen, terms[1]}, {kColumn, terms[2]}};
  Tensor sum = contract(l, {routes.weights, {kRow, kChosen}},
                        {l.reshape(each, terms), {kRow, kChosen, kColumn}},
                        {kRow, kColumn}, labels, input.getElementType());
  l.set(op.getOutput(), l.reshape(sum, l.shape(op.getOutput())));
  return success();
}

void hybrid::registerExperts(Registry &registry) {
  registry.add<onnx::RouteOp>(lowerRoute);
  registry.add<onnx::ExpertMatMulOp>(lowerExpertMatMul);
  registry.add<onnx::MsMoEOp>([](onnx::MsMoEOp op, Lowering &l) {
    return MixtureLowering(op, l).lower();
  });
  registry.add<onnx::MsQMoEOp>([](onnx::MsQMoEOp op, Lowering &l) {
    return MixtureLowering(op, l).lower();
  });
}
