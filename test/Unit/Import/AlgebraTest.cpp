//===- AlgebraTest.cpp - Canonical expressions ----------------------------===//

#include "lib/Dialect/ONNX/Transforms/SymbolicAlgebra.h"
#include "gtest/gtest.h"

#include <random>

using namespace hybrid::onnx;
using Expr = mlir::AffineExpr;

namespace {
class Algebra : public ::testing::Test {
protected:
  Expr symbol(const char *name, int64_t minimum) {
    SymbolInfo info{SymbolInfo::Kind::InputDim, name, {}, 0, {}, {}, minimum};
    return math.addSymbol(std::move(info));
  }
  Expr number(int64_t value) { return math.constant(value); }
  std::string print(Expr expr) { return math.print(expr); }

  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  SymbolicAlgebra math{&context};
  Expr batch = symbol("batch", 1), seq = symbol("seq", 1),
       past = symbol("past", 0);
};
} // namespace

TEST_F(Algebra, SumsCancel) {
  Expr total = math.add(past, seq);
  EXPECT_EQ(math.sub(total, past), seq);
  EXPECT_EQ(math.add(seq, past), total);
  EXPECT_EQ(math.sub(math.mul(total, batch), math.mul(batch, past)),
            math.mul(seq, batch));
}

TEST_F(Algebra, PaddingToAMultiple) {
  // seq + (64 - seq mod 64) mod 64 is a multiple of 64.
  Expr chunk = number(64);
  Expr padding = math.mod(math.sub(chunk, math.mod(seq, chunk)), chunk);
  Expr padded = math.add(seq, padding);
  EXPECT_EQ(padded, math.mul(math.ceilDiv(seq, chunk), chunk));
  EXPECT_EQ(math.floorDiv(padded, chunk), math.ceilDiv(seq, chunk));
  EXPECT_EQ(print(math.ceilDiv(seq, chunk)), "(seq + 63) floordiv 64");
  EXPECT_TRUE(math.isAtLeast(padded, seq));
  EXPECT_TRUE(math.isAtLeast(math.add(seq, number(63)), padded));
  EXPECT_FALSE(math.isAtLeast(math.add(seq, number(62)), padded));
  EXPECT_EQ(math.min(seq, padded), seq);
}

TEST_F(Algebra, ReshapeDivides) {
  Expr elements = math.mul(math.mul(batch, seq), number(64));
  EXPECT_EQ(math.floorDiv(elements, math.mul(batch, number(16))),
            math.mul(seq, number(4)));
  Expr total = math.add(past, seq);
  EXPECT_EQ(math.floorDiv(math.mul(math.mul(batch, total), number(8)), total),
            math.mul(batch, number(8)));
}

TEST_F(Algebra, NestedDivisions) {
  Expr once = math.floorDiv(math.floorDiv(seq, number(2)), number(3));
  EXPECT_EQ(once, math.floorDiv(seq, number(6)));
  EXPECT_EQ(math.floorDiv(math.mul(seq, number(6)), number(4)),
            math.add(seq, math.floorDiv(seq, number(2))));
}

TEST_F(Algebra, MaximaAndMinima) {
  EXPECT_EQ(math.max(number(1), seq), seq);
  EXPECT_EQ(math.min(number(1), seq), number(1));
  EXPECT_EQ(math.max(past, math.add(past, seq)), math.add(past, seq));
  Expr open = math.max(past, seq);
  EXPECT_EQ(open, math.max(seq, past));
  EXPECT_TRUE(math.isAtLeast(open, past));
  EXPECT_TRUE(math.isAtLeast(open, 1));
  EXPECT_FALSE(math.isAtLeast(past, 1));
  EXPECT_TRUE(math.isAtLeast(seq, math.min(seq, past)));
}

TEST_F(Algebra, ProductsArePositive) {
  EXPECT_TRUE(math.isAtLeast(math.mul(batch, seq), batch));
  EXPECT_TRUE(math.isAtLeast(math.mul(batch, seq), 1));
  EXPECT_FALSE(math.isAtLeast(math.mul(batch, past), 1));
}

TEST_F(Algebra, TruncatingDivision) {
  EXPECT_EQ(math.truncDiv(number(-7), number(2)), number(-3));
  EXPECT_EQ(math.truncDiv(number(7), number(-2)), number(-3));
  EXPECT_EQ(math.floorDiv(number(-7), number(2)), number(-4));
  EXPECT_FALSE(math.truncDiv(number(7), number(0)));
  EXPECT_FALSE(math.truncDiv(math.sub(seq, past), number(2)));
}

TEST_F(Algebra, OverflowIsUnknown) {
  Expr large = number(int64_t(1) << 62);
  EXPECT_FALSE(math.mul(large, number(4)));
  EXPECT_FALSE(math.add(large, large));
  EXPECT_FALSE(math.add(Expr(), seq));
}

TEST_F(Algebra, Unification) {
  Expr total = symbol("total", 1);
  // The sum replaces the name, not the other way round.
  EXPECT_TRUE(math.unify(total, math.add(past, seq)));
  EXPECT_EQ(math.canonical(total), math.add(past, seq));
  Expr head = symbol("head", 0);
  EXPECT_TRUE(math.unify(math.mul(math.mul(head, batch), number(4)),
                         math.mul(batch, number(64))));
  EXPECT_EQ(math.canonical(head), number(16));
  EXPECT_FALSE(math.unify(number(3), number(4)));
}

/// The value of `expr` for given symbols.
static int64_t evaluate(Expr expr, llvm::ArrayRef<int64_t> values) {
  if (auto constant = llvm::dyn_cast<mlir::AffineConstantExpr>(expr))
    return constant.getValue();
  if (auto symbol = llvm::dyn_cast<mlir::AffineSymbolExpr>(expr))
    return values[symbol.getPosition()];
  auto binary = llvm::cast<mlir::AffineBinaryOpExpr>(expr);
  int64_t a = evaluate(binary.getLHS(), values);
  int64_t b = evaluate(binary.getRHS(), values);
  int64_t quotient = b ? a / b - ((a % b != 0) && ((a < 0) != (b < 0))) : 0;
  switch (expr.getKind()) {
  case mlir::AffineExprKind::Add:
    return a + b;
  case mlir::AffineExprKind::Mul:
    return a * b;
  case mlir::AffineExprKind::FloorDiv:
    return quotient;
  case mlir::AffineExprKind::Mod:
    return a - quotient * b;
  case mlir::AffineExprKind::CeilDiv:
    return quotient + (a != quotient * b);
  default:
    ADD_FAILURE() << "unexpected expression";
    return 0;
  }
}

TEST_F(Algebra, RandomExpressionsKeepTheirValue) {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    int64_t values[] = {1 + int64_t(random() % 4), 1 + int64_t(random() % 200),
                        int64_t(random() % 100)};
    // Expressions beside their true values.
    std::vector<std::pair<Expr, int64_t>> pool = {
        {batch, values[0]}, {seq, values[1]}, {past, values[2]}};
    for (int step = 0; step < 8; ++step) {
      auto [a, x] = pool[random() % pool.size()];
      auto [b, y] = pool[random() % pool.size()];
      int64_t c = 1 + random() % 70;
      int64_t quotient = x / c - (x % c < 0);
      switch (random() % 6) {
      case 0:
        pool.push_back({math.add(a, b), x + y});
        break;
      case 1:
        pool.push_back({math.sub(a, b), x - y});
        break;
      case 2:
        if (std::abs(x) < 1'000'000 && std::abs(y) < 1'000'000)
          pool.push_back({math.mul(a, b), x * y});
        break;
      case 3:
        pool.push_back({math.floorDiv(a, number(c)), quotient});
        break;
      case 4:
        pool.push_back({math.mod(a, number(c)), x - quotient * c});
        break;
      case 5:
        pool.push_back(
            {math.add(math.mul(a, number(c)), number(c)), x * c + c});
        break;
      }
      auto [expr, value] = pool.back();
      if (!expr) { // too large
        pool.pop_back();
        continue;
      }
      ASSERT_EQ(evaluate(expr, values), value) << print(expr);
      ASSERT_EQ(math.canonical(expr), expr) << print(expr);
      // What is proven must hold.
      for (int64_t bound : {-1, 0, 1, 7})
        if (math.isAtLeast(expr, bound)) {
          ASSERT_GE(value, bound) << print(expr);
        }
      if (math.isAtLeast(a, b)) {
        ASSERT_GE(x, y) << print(a) << " >= " << print(b);
      }
    }
  }
}
