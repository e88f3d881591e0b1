//===- ExpandDeviceMath.cpp - math functions without a library ------------===//

#include "hybrid/Target/NVPTX/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_EXPANDDEVICEMATHPASS
#include "hybrid/Target/NVPTX/Passes.h.inc"

namespace {

/// Arithmetic on scalars or vectors of the type of `like`.
class Emitter : public ImplicitLocOpBuilder {
public:
  Emitter(Operation *op, OpBuilder &builder)
      : ImplicitLocOpBuilder(op->getLoc(), builder) {}

  Value constant(Type type, double value) {
    TypedAttr attr = getFloatAttr(getElementTypeOrSelf(type), value);
    if (auto vector = dyn_cast<VectorType>(type))
      attr = DenseElementsAttr::get(vector, Attribute(attr));
    return arith::ConstantOp::create(*this, attr);
  }
  Value fma(Value a, Value b, Value c) {
    return math::FmaOp::create(*this, a, b, c);
  }
  Value mul(Value a, Value b) { return arith::MulFOp::create(*this, a, b); }
  /// c[0] + x · (c[1] + x · …).
  Value polynomial(Value x, ArrayRef<double> coefficients) {
    Value sum = constant(x.getType(), coefficients.back());
    for (double c : llvm::reverse(coefficients.drop_back()))
      sum = fma(sum, x, constant(x.getType(), c));
    return sum;
  }
};

bool isF32(Value value) { return getElementTypeOrSelf(value).isF32(); }

/// 2^x by the hardware's instruction, whose error is 2 ulp.
struct UsePowerOfTwo : OpRewritePattern<math::Exp2Op> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::Exp2Op op,
                                PatternRewriter &rewriter) const override {
    if (!isF32(op.getOperand()) ||
        bitEnumContainsAll(op.getFastmath(), arith::FastMathFlags::afn))
      return failure();
    rewriter.modifyOpInPlace(op, [&] {
      op.setFastmath(op.getFastmath() | arith::FastMathFlags::afn);
    });
    return success();
  }
};

/// e^x = 2^h · (1 + l · ln 2) with h + l = x · log₂ e, l what rounding h lost.
struct ExpandExp : OpRewritePattern<math::ExpOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::ExpOp op,
                                PatternRewriter &rewriter) const override {
    Value x = op.getOperand();
    if (!isF32(x))
      return failure();
    Emitter b(op, rewriter);
    Type type = x.getType();
    // Beyond these the result is 0 or infinite, and the correction of an
    // infinite power would be NaN.
    Value most = b.constant(type, 0x1.62e42ep+6);
    Value isMore = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x, most);
    x = arith::MaximumFOp::create(b, x, b.constant(type, -104));
    x = arith::MinimumFOp::create(b, x, most);
    // log₂ e in two parts.
    Value high = b.constant(type, 0x1.715476p+0),
          low = b.constant(type, 0x1.4ae0cp-26);
    Value h = b.mul(x, high);
    Value l = b.fma(x, high, arith::NegFOp::create(b, h));
    l = b.fma(x, low, l);
    Value power = math::Exp2Op::create(b, h, arith::FastMathFlags::afn);
    Value scaled = b.mul(l, b.constant(type, 0x1.62e43p-1));
    rewriter.replaceOpWithNewOp<arith::SelectOp>(
        op, isMore, b.constant(type, std::numeric_limits<double>::infinity()),
        b.fma(power, scaled, power));
    return success();
  }
};

/// x = n · π/2 + r, reduced in float64; then sin or cos of r by n modulo 4.
template <typename Op>
struct ExpandCircular : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;

  LogicalResult matchAndRewrite(Op op,
                                PatternRewriter &rewriter) const override {
    Value x = op.getOperand();
    if (!isF32(x) || !x.getType().isF32())
      return failure();
    Emitter b(op, rewriter);
    Type f64 = b.getF64Type(), i32 = b.getI32Type();
    Value wide = arith::ExtFOp::create(b, f64, x);
    Value n = math::RoundEvenOp::create(
        b, b.mul(wide, b.constant(f64, 0x1.45f306dc9c883p-1)));
    Value rest = b.fma(n, b.constant(f64, -0x1.921fb54442d18p+0), wide);
    Value r = arith::TruncFOp::create(b, b.getF32Type(), rest);
    Value z = b.mul(r, r);
    // Minimax polynomials on [-π/4, π/4].
    Value sine =
        b.polynomial(z, {-1.6666654611e-1, 8.3321608736e-3, -1.9515295891e-4});
    sine = b.fma(b.mul(z, r), sine, r);
    Value cosine = b.polynomial(
        z, {4.166664568298827e-2, -1.388731625493765e-3, 2.443315711809948e-5});
    cosine = b.fma(b.mul(z, z), cosine,
                   b.fma(z, b.constant(b.getF32Type(), -0.5),
                         b.constant(b.getF32Type(), 1)));
    auto integer = [&](int64_t value) {
      return arith::ConstantIntOp::create(b, value, 32);
    };
    // Angles beyond 2^30 quarters have no digits left to be right in.
    Value quarter = arith::TruncIOp::create(
        b, i32, arith::FPToSIOp::create(b, b.getI64Type(), n));
    if (std::is_same_v<Op, math::CosOp>)
      quarter = arith::AddIOp::create(b, quarter, integer(1));
    auto hasBit = [&](int64_t bit) {
      return arith::CmpIOp::create(
          b, arith::CmpIPredicate::ne,
          arith::AndIOp::create(b, quarter, integer(bit)), integer(0));
    };
    Value result = arith::SelectOp::create(b, hasBit(1), cosine, sine);
    rewriter.replaceOpWithNewOp<arith::SelectOp>(
        op, hasBit(2), arith::NegFOp::create(b, result), result);
    return success();
  }
};

/// |x|^y = e^(y · log |x|); negative x have powers of integers only.
struct ExpandPow : OpRewritePattern<math::PowFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::PowFOp op,
                                PatternRewriter &rewriter) const override {
    Value x = op.getLhs(), y = op.getRhs();
    if (!isF32(x))
      return failure();
    Emitter b(op, rewriter);
    Type type = x.getType();
    Value zero = b.constant(type, 0);
    auto is = [&](arith::CmpFPredicate predicate, Value left, Value right) {
      return arith::CmpFOp::create(b, predicate, left, right);
    };
    Value log = math::LogOp::create(b, math::AbsFOp::create(b, x));
    Value power = math::ExpOp::create(b, b.mul(y, log));
    Value half = b.mul(y, b.constant(type, 0.5));
    Value isInteger =
        is(arith::CmpFPredicate::OEQ, math::FloorOp::create(b, y), y);
    Value isOdd =
        is(arith::CmpFPredicate::ONE, math::FloorOp::create(b, half), half);
    Value none = b.constant(type, std::numeric_limits<double>::quiet_NaN());
    Value opposite = arith::SelectOp::create(
        b, isOdd, arith::NegFOp::create(b, power), power);
    Value ofNegative = arith::SelectOp::create(b, isInteger, opposite, none);
    Value isNegative = is(arith::CmpFPredicate::OLT, x, zero);
    Value result = arith::SelectOp::create(b, isNegative, ofNegative, power);
    rewriter.replaceOpWithNewOp<arith::SelectOp>(
        op, is(arith::CmpFPredicate::OEQ, y, zero), b.constant(type, 1),
        result);
    return success();
  }
};

struct ExpandDeviceMath : impl::ExpandDeviceMathPassBase<ExpandDeviceMath> {
  void runOnOperation() override {
    getOperation().walk([&](Operation *op) {
      numExpanded +=
          isa<math::ExpOp, math::SinOp, math::CosOp, math::PowFOp>(op);
    });
    RewritePatternSet patterns(&getContext());
    patterns.add<UsePowerOfTwo, ExpandExp, ExpandPow,
                 ExpandCircular<math::SinOp>, ExpandCircular<math::CosOp>>(
        &getContext());
    populateMathF32ExpansionPatterns(patterns, [](StringRef) { return true; });
    populateMathPolynomialApproximationPatterns(patterns, [](StringRef name) {
      return llvm::is_contained({"math.expm1", "math.log", "math.log1p",
                                 "math.log2", "math.tanh", "math.erf",
                                 "math.erfc", "math.atan", "math.atan2",
                                 "math.asin", "math.acos", "math.cbrt"},
                                name);
    });
    math::populateExpansionPatterns(
        patterns,
        {math::TanOp::getOperationName(), math::SinhOp::getOperationName(),
         math::CoshOp::getOperationName(), math::AsinhOp::getOperationName(),
         math::AcoshOp::getOperationName(), math::AtanhOp::getOperationName(),
         math::FPowIOp::getOperationName()});
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace hybrid
