//===- LoopBuilder.h - terse construction of scalar loops --------*- C++ -*-===//
//
// What the lowerings of hybrid computations are written with: loops as lambdas,
// index and floating-point arithmetic, loads and stores that convert between
// the storage type and the compute type.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_LIB_CONVERSION_SCHEDULETOKERNEL_LOOPBUILDER_H
#define HYBRID_LIB_CONVERSION_SCHEDULETOKERNEL_LOOPBUILDER_H

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace hybrid {

class LoopBuilder : public mlir::ImplicitLocOpBuilder {
  using Value = mlir::Value;
  using ValueRange = mlir::ValueRange;

public:
  /// Arithmetic is in f64 if `storage` is f64 and in f32 otherwise. Sums may
  /// be reassociated, products and sums contracted.
  LoopBuilder(mlir::Operation *op, mlir::Type storage)
      : ImplicitLocOpBuilder(op->getLoc(), op),
        compute(storage.isF64() ? mlir::Type(getF64Type())
                                : mlir::Type(getF32Type())) {}

  mlir::Type getComputeType() const { return compute; }

  // Index arithmetic.
  Value index(int64_t value) {
    return mlir::arith::ConstantIndexOp::create(*this, value);
  }
  Value dim(Value memref, unsigned i) {
    auto type = mlir::cast<mlir::MemRefType>(memref.getType());
    if (!type.isDynamicDim(i))
      return index(type.getDimSize(i));
    return mlir::memref::DimOp::create(*this, memref, i);
  }
  Value addI(Value a, Value b) { return createOrFold<mlir::arith::AddIOp>(a, b); }
  Value subI(Value a, Value b) { return createOrFold<mlir::arith::SubIOp>(a, b); }
  Value mulI(Value a, Value b) { return createOrFold<mlir::arith::MulIOp>(a, b); }
  /// For non-negative operands.
  Value divI(Value a, Value b) { return createOrFold<mlir::arith::DivUIOp>(a, b); }
  Value minI(Value a, Value b) { return createOrFold<mlir::arith::MinSIOp>(a, b); }
  Value maxI(Value a, Value b) { return createOrFold<mlir::arith::MaxSIOp>(a, b); }
  Value cmpI(mlir::arith::CmpIPredicate p, Value a, Value b) {
    return createOrFold<mlir::arith::CmpIOp>(p, a, b);
  }
  Value toIndex(Value integer) {
    return createOrFold<mlir::arith::IndexCastOp>(getIndexType(), integer);
  }

  // Arithmetic in the compute type.
  Value real(double value) {
    return mlir::arith::ConstantOp::create(*this,
                                           getFloatAttr(compute, value));
  }
  Value negInf() {
    return real(-std::numeric_limits<double>::infinity());
  }
  Value add(Value a, Value b) {
    return mlir::arith::AddFOp::create(*this, a, b, relaxed);
  }
  Value sub(Value a, Value b) {
    return mlir::arith::SubFOp::create(*this, a, b, contract);
  }
  Value mul(Value a, Value b) {
    return mlir::arith::MulFOp::create(*this, a, b, contract);
  }
  Value div(Value a, Value b) {
    return mlir::arith::DivFOp::create(*this, a, b);
  }
  Value max(Value a, Value b) {
    return mlir::arith::MaxNumFOp::create(*this, a, b);
  }
  Value exp(Value a) { return mlir::math::ExpOp::create(*this, a); }
  Value tanh(Value a) { return mlir::math::TanhOp::create(*this, a); }
  Value rsqrt(Value a) {
    return div(real(1), mlir::math::SqrtOp::create(*this, a));
  }
  Value sigmoid(Value a) {
    Value e = exp(mlir::arith::NegFOp::create(*this, a));
    return div(real(1), add(real(1), e));
  }
  Value activate(Activation activation, Value a) {
    switch (activation) {
    case Activation::None:
      return a;
    case Activation::Silu:
      return mul(a, sigmoid(a));
    case Activation::Sigmoid:
      return sigmoid(a);
    }
    llvm_unreachable("every activation is handled");
  }
  /// -inf where `a` is -inf is no difference: `isNegInf` as an i1.
  Value isNegInf(Value a) {
    return mlir::arith::CmpFOp::create(*this, mlir::arith::CmpFPredicate::OEQ,
                                       a, negInf());
  }
  Value select(Value condition, Value a, Value b) {
    return mlir::arith::SelectOp::create(*this, condition, a, b);
  }

  /// Loads and converts a float to the compute type; other types as they are.
  Value load(Value memref, ValueRange indices) {
    Value value = mlir::memref::LoadOp::create(*this, memref, indices);
    return toCompute(value);
  }
  Value toCompute(Value value) {
    auto element =
        mlir::dyn_cast<mlir::FloatType>(mlir::getElementTypeOrSelf(value));
    if (!element || element == compute)
      return value;
    mlir::Type type = compute;
    if (auto vector = mlir::dyn_cast<mlir::VectorType>(value.getType()))
      type = vector.clone(compute);
    if (element.getWidth() < compute.getIntOrFloatBitWidth())
      return mlir::arith::ExtFOp::create(*this, type, value);
    return mlir::arith::TruncFOp::create(*this, type, value);
  }
  /// Rounds a value of the compute type to `type` and back.
  Value roundTo(mlir::Type type, Value value) {
    return type == compute ? value : toCompute(fromCompute(type, value));
  }
  /// `value`, a number or a vector, with elements of `type`.
  Value fromCompute(mlir::Type type, Value value) {
    mlir::Type from = mlir::getElementTypeOrSelf(value);
    if (type == from)
      return value;
    bool isWider =
        type.getIntOrFloatBitWidth() > from.getIntOrFloatBitWidth();
    if (auto vector = mlir::dyn_cast<mlir::VectorType>(value.getType()))
      type = vector.clone(type);
    if (isWider)
      return mlir::arith::ExtFOp::create(*this, type, value);
    return mlir::arith::TruncFOp::create(*this, type, value);
  }
  void store(Value value, Value memref, ValueRange indices) {
    auto type = mlir::cast<mlir::MemRefType>(memref.getType());
    mlir::memref::StoreOp::create(
        *this, fromCompute(type.getElementType(), value), memref, indices);
  }

  // Vectors of the compute type; the arithmetic above takes them, too.
  Value splat(Value scalar, int64_t lanes) {
    return mlir::vector::BroadcastOp::create(
        *this, mlir::VectorType::get({lanes}, compute), scalar);
  }
  /// Loads `lanes` floats from `indices` on, which are contiguous, and converts
  /// them.
  Value loadVector(Value memref, ValueRange indices, int64_t lanes) {
    mlir::Type stored = mlir::getElementTypeOrSelf(memref);
    return toCompute(mlir::vector::LoadOp::create(
        *this, mlir::VectorType::get({lanes}, stored), memref, indices));
  }
  void storeVector(Value vector, Value memref, ValueRange indices) {
    mlir::Type stored = mlir::getElementTypeOrSelf(memref);
    mlir::vector::StoreOp::create(*this, fromCompute(stored, vector), memref,
                                  indices);
  }
  /// a · b + c.
  Value fma(Value a, Value b, Value c) {
    return mlir::vector::FMAOp::create(*this, a, b, c);
  }

  /// A buffer on the stack with the sizes `shape`; of the compute type, if none
  /// is given.
  Value scratch(mlir::ArrayRef<Value> shape, mlir::Type element = {}) {
    llvm::SmallVector<int64_t> sizes;
    llvm::SmallVector<Value> dynamic;
    for (Value size : shape) {
      if (auto constant = mlir::getConstantIntValue(size)) {
        sizes.push_back(*constant);
        continue;
      }
      sizes.push_back(mlir::ShapedType::kDynamic);
      dynamic.push_back(size);
    }
    return mlir::memref::AllocaOp::create(
        *this, mlir::MemRefType::get(sizes, element ? element : compute), dynamic,
        getI64IntegerAttr(64));
  }

  /// for iv in [low, high): body(iv).
  void loop(Value low, Value high, llvm::function_ref<void(Value)> body) {
    loop(low, high, index(1), body);
  }
  void loop(Value low, Value high, Value step,
            llvm::function_ref<void(Value)> body) {
    auto op = mlir::scf::ForOp::create(*this, low, high, step);
    mlir::OpBuilder::InsertionGuard guard(*this);
    setInsertionPointToStart(op.getBody());
    body(op.getInductionVar());
  }
  /// A loop nest over [0, sizes[0]) × …
  void nest(mlir::ArrayRef<Value> sizes,
            llvm::function_ref<void(ValueRange)> body) {
    llvm::SmallVector<Value> ivs;
    nest(sizes, ivs, body);
  }
  /// A loop that carries values; returns their last values.
  mlir::ResultRange
  reduce(Value low, Value high, Value step, ValueRange init,
         llvm::function_ref<llvm::SmallVector<Value>(Value, ValueRange)> body) {
    auto op = mlir::scf::ForOp::create(*this, low, high, step, init);
    mlir::OpBuilder::InsertionGuard guard(*this);
    setInsertionPointToStart(op.getBody());
    auto next = body(op.getInductionVar(), op.getRegionIterArgs());
    mlir::scf::YieldOp::create(*this, next);
    return op.getResults();
  }
  /// Σ body(iv) over [0, high).
  Value sum(Value high, llvm::function_ref<Value(Value)> body) {
    return reduce(index(0), high, index(1), real(0),
                  [&](Value iv, ValueRange carried) {
                    return llvm::SmallVector<Value>{
                        add(carried[0], body(iv))};
                  })[0];
  }

private:
  void nest(mlir::ArrayRef<Value> sizes, llvm::SmallVector<Value> &ivs,
            llvm::function_ref<void(ValueRange)> body) {
    if (ivs.size() == sizes.size())
      return body(ivs);
    loop(index(0), sizes[ivs.size()], [&](Value iv) {
      ivs.push_back(iv);
      nest(sizes, ivs, body);
      ivs.pop_back();
    });
  }

  mlir::Type compute;
  static constexpr mlir::arith::FastMathFlags contract =
      mlir::arith::FastMathFlags::contract;
  static constexpr mlir::arith::FastMathFlags relaxed =
      mlir::arith::FastMathFlags::contract | mlir::arith::FastMathFlags::reassoc;
};

// One per computation; each replaces the operation by loops.
void lowerAttention(AttentionOp op, unsigned vectorBits);
void lowerCacheAppend(CacheAppendOp op);
void lowerCausalConv(CausalConvOp op);
void lowerMatmul(MatmulOp op, unsigned vectorBits);
void lowerQuantizedMatmul(MatmulOp op, unsigned vectorBits);
void lowerTiledMatmul(MatmulOp op);
void lowerPackRows(PackRowsOp op);
void lowerRingRead(RingReadOp op);
void lowerRoute(RouteOp op);
/// `vectorBits` is the width of a vector register.
void lowerExpertMatMul(ExpertMatMulOp op, unsigned vectorBits);
void lowerScan(ScanOp op, unsigned vectorBits);

} // namespace hybrid

#endif // HYBRID_LIB_CONVERSION_SCHEDULETOKERNEL_LOOPBUILDER_H
