//===- LowerScanChunked.cpp - the recurrence in matrix form ---------------===//
//
// Of a chunk of Q steps, with the state S before it and, for steps j ≤ i, the
// product L(i,j) of the decays of steps j+1 … i:
//
//   A(i,j) = scale · Σ_n q(i,n) k(j,n) L(i,j,n)           j ≤ i
//   d      = v                                            linear, gated
//   d(i)   = β(i) (v(i) - Sᵀ(k(i) ⊙ p(i)) - Σ_{j<i} M(i,j) d(j))       delta
//   y(i)   = scale · Sᵀ(q(i) ⊙ p(i)) + Σ_j A(i,j) d(j)
//   S      = p(Q-1) ⊙ S + Σ_j (k(j) ⊙ L(Q-1,j)) ⊗ d(j)
//
// with p(i) = the product of the decays of steps 0 … i and M(i,j) as A(i,j)
// with k(i) for q(i) (Dao and Gu's state-space duality; Yang et al.'s
// parallel form of the delta rule, whose triangular system is solved here for
// the chunk's own right-hand sides instead of being inverted).
//
// Products of decays are made by multiplication, as the sequential form makes
// them, not from differences of sums of logarithms: nothing cancels, a decay
// of 0 is no special case, and whatever underflows would do so there.
// With a decay per key channel L does not factor out of the sum over n. Within
// a sub-block of steps k(j) ⊙ L(i,j) is carried along from step to step;
// between sub-blocks L(i,j) = L(i,r) L(r,j) with r the step before i's
// sub-block, two factors that are both products of decays (Yang et al., gated
// linear attention, without its divisions).
//
// Steps beyond the end of the sequence have k = v = 0 and decay 1.
//
//===----------------------------------------------------------------------===//

#include "ScanLowering.h"
#include "hybrid/Conversion/ScheduleToKernel/Passes.h"

using namespace mlir;

namespace hybrid {
namespace {

/// Steps of a sub-block, a multiple of any vector's lanes: between them scores
/// are products of matrices.
constexpr int64_t kSubBlock = 16;
/// Rows that skip what lies above the diagonal together.
constexpr int64_t kRowBlock = 24;

/// What multiplies k from the left, and where the scores go.
struct Scores {
  Value left, result;
};

class ChunkedScan : public ScanLowering {
public:
  ChunkedScan(ScanOp op, unsigned vectorBits)
      : ScanLowering(op, vectorBits), steps(*op.getChunk()),
        numKeys(cast<MemRefType>(op.getKey().getType()).getDimSize(3)),
        numColumns(cast<MemRefType>(op.getValue().getType()).getDimSize(3)),
        paddedSteps(llvm::alignTo(steps, lanes)),
        paddedKeys(llvm::alignTo(numKeys, lanes)),
        paddedColumns(llvm::alignTo(numColumns, lanes)) {}

protected:
  void allocate() override;
  void emitTime() override {
    emitChunks(steps,
               [&](Value first, Value count) { emitChunk(first, count); });
  }

private:
  Value buffer(int64_t rows, int64_t columns) {
    return b.scratch({b.index(rows), b.index(columns)});
  }
  Value part(Value buffer, Value row, int64_t rows, int64_t column,
             int64_t columns);
  void contract(Value left, Value right, Value result, bool transposed = false);
  void vectors(int64_t columns, llvm::function_ref<void(Value)> body) {
    b.loop(b.index(0), b.index(columns), b.index(lanes), body);
  }
  void rows(llvm::function_ref<void(Value)> body) {
    b.loop(b.index(0), b.index(steps), body);
  }
  Value vectorAt(Value buffer, Value row, Value column) {
    return b.loadVector(buffer, {row, column}, lanes);
  }
  void setVector(Value vector, Value buffer, Value row, Value column) {
    b.storeVector(vector, buffer, {row, column});
  }
  /// buffer[i, :] = buffer[i, :] · factor.
  void scaleRow(Value buffer, Value i, int64_t columns, Value factor);

  void emitChunk(Value first, Value count);
  void loadRows(Value buffer, int64_t columns, Value count, Value used,
                llvm::function_ref<Value(Value, Value)> element);
  void loadDecays(Value first, Value count);
  void emitDecayProducts();
  void emitOutput(Value first, Value count, Value output);
  void loadQueries(Value first, Value count, Value output);
  void emitScores(llvm::ArrayRef<Scores> scores);
  void emitHeadScores(llvm::ArrayRef<Scores> scores);
  void emitChannelScores(llvm::ArrayRef<Scores> scores);
  void emitDiagonal(llvm::ArrayRef<Scores> scores, int64_t begin, int64_t end);
  void transpose(Value from, Value to, int64_t rows, int64_t columns);
  void emitDeltas();
  void solve();
  void emitStateUpdate();

  int64_t steps, numKeys, numColumns;
  int64_t paddedSteps, paddedKeys, paddedColumns;
  /// [steps, padded …]; `decayed` becomes k ⊙ L(Q-1, ·), `fromStart` is k ⊙ p.
  Value q, k, d, y, decayed, fromStart;
  /// [padded keys, padded steps].
  Value transposed;
  /// Of q and k, and of k and k (negative, with β): [steps, padded steps].
  Value scores, system;
  /// Per head: [steps, padded steps] and [steps, 1].
  Value products, prefix;
  /// Per key channel, [steps, padded keys]: factors, and as `prefix` their
  /// products from the start of the chunk; [sub-block, padded keys]: the left
  /// side of the scores times the products from the start of a sub-block.
  Value factors, fromBlock;
  Value beta;
};

void ChunkedScan::allocate() {
  q = buffer(steps, paddedKeys);
  k = buffer(paddedSteps, paddedKeys);
  d = buffer(steps, paddedColumns);
  y = buffer(steps, paddedColumns);
  transposed = buffer(paddedKeys, paddedSteps);
  scores = buffer(steps, paddedSteps);
  if (hasBeta) {
    system = buffer(steps, paddedSteps);
    beta = b.scratch({b.index(steps)});
  }
  if (perKey) {
    factors = buffer(steps, paddedKeys);
    prefix = buffer(steps, paddedKeys);
    decayed = buffer(steps, paddedKeys);
    fromBlock = buffer(kSubBlock, paddedKeys);
    if (hasBeta)
      fromStart = buffer(steps, paddedKeys);
  } else if (hasDecay) {
    products = buffer(steps, paddedSteps);
    prefix = buffer(steps, 1);
  }
  // What pads rows and columns stays zero.
  for (Value padded : {q, k, d})
    fillZero(padded);
  if (perKey)
    fillZero(factors);
}

/// rows × columns of `buffer` from (row, column) on.
Value ChunkedScan::part(Value buffer, Value row, int64_t rows, int64_t column,
                        int64_t columns) {
  OpFoldResult one = b.getIndexAttr(1);
  return memref::SubViewOp::create(
      b, buffer,
      ArrayRef<OpFoldResult>{getAsOpFoldResult(row), b.getIndexAttr(column)},
      ArrayRef<OpFoldResult>{b.getIndexAttr(rows), b.getIndexAttr(columns)},
      ArrayRef<OpFoldResult>{one, one});
}

/// result += left · right, or leftᵀ · right.
void ChunkedScan::contract(Value left, Value right, Value result,
                           bool transposed) {
  AffineExpr m = b.getAffineDimExpr(0), n = b.getAffineDimExpr(1),
             r = b.getAffineDimExpr(2);
  auto map = [&](AffineExpr row, AffineExpr column) {
    return AffineMap::get(3, 0, {row, column}, b.getContext());
  };
  using utils::IteratorType;
  auto op = linalg::GenericOp::create(
      b, ValueRange{left, right}, ValueRange{result},
      ArrayRef<AffineMap>{transposed ? map(r, m) : map(m, r), map(r, n),
                          map(m, n)},
      ArrayRef<IteratorType>{IteratorType::parallel, IteratorType::parallel,
                             IteratorType::reduction},
      [](OpBuilder &builder, Location loc, ValueRange args) {
        Value product = arith::MulFOp::create(builder, loc, args[0], args[1]);
        Value sum = arith::AddFOp::create(builder, loc, args[2], product);
        linalg::YieldOp::create(builder, loc, sum);
      });
  op->setAttr(kInCacheAttr, b.getUnitAttr());
}

void ChunkedScan::scaleRow(Value buffer, Value i, int64_t columns,
                           Value factor) {
  Value f = b.splat(factor, lanes);
  vectors(columns, [&](Value j) {
    setVector(b.mul(f, vectorAt(buffer, i, j)), buffer, i, j);
  });
}

/// Rows of an operand; rows from `count` on become zero.
void ChunkedScan::loadRows(Value buffer, int64_t columns, Value count,
                           Value used,
                           llvm::function_ref<Value(Value, Value)> element) {
  b.loop(b.index(0), count, [&](Value i) {
    b.loop(b.index(0), used, [&](Value j) {
      b.store(element(i, j), buffer, {i, j});
    });
  });
  b.loop(count, b.index(steps), [&](Value i) {
    vectors(columns, [&](Value j) {
      setVector(b.splat(b.real(0), lanes), buffer, i, j);
    });
  });
}

void ChunkedScan::loadDecays(Value first, Value count) {
  Value zero = b.index(0), one = b.real(1);
  if (!perKey) {
    b.loop(zero, count, [&](Value i) {
      b.store(decayAt(b.addI(first, i), Value()), prefix, {i, zero});
    });
    b.loop(count, b.index(steps), [&](Value i) {
      b.store(one, prefix, {i, zero});
    });
    return;
  }
  b.loop(zero, count, [&](Value i) {
    b.loop(zero, keyDim, [&](Value n) {
      b.store(decayAt(b.addI(first, i), n), factors, {i, n});
    });
  });
  b.loop(count, b.index(steps), [&](Value i) {
    vectors(paddedKeys,
            [&](Value n) { setVector(b.splat(one, lanes), factors, i, n); });
  });
}

/// L and p from the steps' decays; p takes the place of those per head.
void ChunkedScan::emitDecayProducts() {
  Value zero = b.index(0), one = b.index(1);
  if (perKey) {
    vectors(paddedKeys, [&](Value n) {
      Value before = b.splat(b.real(1), lanes);
      b.reduce(zero, b.index(steps), one, before,
               [&](Value i, ValueRange carried) {
                 Value next = b.mul(carried[0], vectorAt(factors, i, n));
                 setVector(next, prefix, i, n);
                 return SmallVector<Value>{next};
               });
    });
    return;
  }
  vectors(paddedSteps, [&](Value j) {
    Value none = b.splat(b.real(0), lanes);
    b.reduce(zero, b.index(steps), one, none, [&](Value i, ValueRange carried) {
      Value a = b.splat(b.load(prefix, {i, zero}), lanes);
      Value row = b.mul(carried[0], a);
      // 1 on the diagonal.
      Value lane = b.subI(i, j);
      Value inside = b.cmpI(arith::CmpIPredicate::ult, lane, b.index(lanes));
      Value place = b.select(inside, lane, zero);
      Value set =
          vector::InsertOp::create(b, b.real(1), row, OpFoldResult(place));
      row = b.select(inside, set, row);
      setVector(row, products, i, j);
      return SmallVector<Value>{row};
    });
  });
  b.reduce(zero, b.index(steps), one, b.real(1),
           [&](Value i, ValueRange carried) {
             Value next = b.mul(carried[0], b.load(prefix, {i, zero}));
             b.store(next, prefix, {i, zero});
             return SmallVector<Value>{next};
           });
}

/// to[j, i] = from[i, j] in squares of vectors; both sizes are multiples.
void ChunkedScan::transpose(Value from, Value to, int64_t numRows,
                            int64_t columns) {
  Value zero = b.index(0), step = b.index(lanes);
  b.loop(zero, b.index(numRows), step, [&](Value i) {
    b.loop(zero, b.index(columns), step, [&](Value j) {
      SmallVector<Value> square;
      for (int64_t r = 0; r < lanes; ++r)
        square.push_back(vectorAt(from, b.addI(i, b.index(r)), j));
      // Exchanges the off-diagonal squares of each size.
      for (int64_t size = 1; size < lanes; size *= 2) {
        SmallVector<int64_t> upper, lower;
        for (int64_t l = 0; l < lanes; ++l) {
          upper.push_back(l & size ? lanes + (l ^ size) : l);
          lower.push_back(l & size ? lanes + l : l ^ size);
        }
        for (int64_t r = 0; r < lanes; ++r) {
          if (r & size)
            continue;
          Value above = square[r], below = square[r | size];
          square[r] = vector::ShuffleOp::create(b, above, below, upper);
          square[r | size] = vector::ShuffleOp::create(b, above, below, lower);
        }
      }
      for (int64_t r = 0; r < lanes; ++r)
        setVector(square[r], to, b.addI(j, b.index(r)), i);
    });
  });
}

/// Σ_n left(i,n) k(j,n) L(i,j,n) for j ≤ i, and zero beyond.
void ChunkedScan::emitScores(llvm::ArrayRef<Scores> all) {
  for (const Scores &each : all)
    rows([&](Value i) {
      vectors(paddedSteps, [&](Value j) {
        setVector(b.splat(b.real(0), lanes), each.result, i, j);
      });
    });
  if (perKey)
    return emitChannelScores(all);
  emitHeadScores(all);
}

void ChunkedScan::emitHeadScores(llvm::ArrayRef<Scores> all) {
  for (const Scores &each : all) {
    for (int64_t begin = 0; begin < steps; begin += kRowBlock) {
      int64_t end = std::min(begin + kRowBlock, steps);
      int64_t columns = llvm::alignTo(end, lanes);
      Value first = b.index(begin);
      contract(part(each.left, first, end - begin, 0, numKeys),
               part(transposed, b.index(0), numKeys, 0, columns),
               part(each.result, first, end - begin, 0, columns));
    }
    rows([&](Value i) {
      if (hasDecay) {
        vectors(paddedSteps, [&](Value j) {
          setVector(
              b.mul(vectorAt(products, i, j), vectorAt(each.result, i, j)),
              each.result, i, j);
        });
        return;
      }
      b.loop(b.addI(i, b.index(1)), b.index(paddedSteps), [&](Value j) {
        b.store(b.real(0), each.result, {i, j});
      });
    });
  }
}

void ChunkedScan::emitChannelScores(llvm::ArrayRef<Scores> all) {
  Value zero = b.index(0), one = b.real(1);
  for (int64_t begin = 0; begin < steps; begin += kSubBlock) {
    int64_t end = std::min(begin + kSubBlock, steps), count = end - begin;
    Value first = b.index(begin);
    // left ⊙ L(i, begin-1) times the decayed keys of earlier sub-blocks.
    if (begin > 0) {
      transpose(decayed, transposed, begin, paddedKeys);
      for (const Scores &each : all) {
        vectors(paddedKeys, [&](Value n) {
          b.reduce(zero, b.index(count), b.index(1), b.splat(one, lanes),
                   [&](Value r, ValueRange carried) {
                     Value i = b.addI(first, r);
                     Value p = b.mul(carried[0], vectorAt(factors, i, n));
                     setVector(b.mul(p, vectorAt(each.left, i, n)), fromBlock,
                               r, n);
                     return SmallVector<Value>{p};
                   });
        });
        contract(part(fromBlock, zero, count, 0, numKeys),
                 part(transposed, zero, numKeys, 0, begin),
                 part(each.result, first, count, 0, begin));
      }
    }
    emitDiagonal(all, begin, end);
    if (begin == 0)
      continue;
    vectors(paddedKeys, [&](Value n) {
      Value product =
          b.reduce(first, b.index(end), b.index(1), b.splat(one, lanes),
                   [&](Value i, ValueRange carried) {
                     return SmallVector<Value>{
                         b.mul(carried[0], vectorAt(factors, i, n))};
                   })[0];
      b.loop(zero, first, [&](Value j) {
        setVector(b.mul(product, vectorAt(decayed, j, n)), decayed, j, n);
      });
    });
  }
}

/// Scores within a sub-block; leaves k ⊙ L(end-1, ·) in its rows of `decayed`.
void ChunkedScan::emitDiagonal(llvm::ArrayRef<Scores> all, int64_t begin,
                               int64_t end) {
  Value first = b.index(begin), zeros = b.splat(b.real(0), lanes);
  b.loop(first, b.index(end), [&](Value i) {
    vectors(paddedKeys,
            [&](Value n) { setVector(vectorAt(k, i, n), decayed, i, n); });
    b.loop(first, b.addI(i, b.index(1)), [&](Value j) {
      Value isOlder = b.cmpI(arith::CmpIPredicate::ult, j, i);
      SmallVector<Value> init(all.size(), zeros);
      auto sums = b.reduce(
          b.index(0), b.index(paddedKeys), b.index(lanes), init,
          [&](Value n, ValueRange carried) {
            Value older = vectorAt(decayed, j, n);
            Value key =
                b.select(isOlder, b.mul(vectorAt(factors, i, n), older), older);
            setVector(key, decayed, j, n);
            SmallVector<Value> next;
            for (auto [each, sum] : llvm::zip_equal(all, carried))
              next.push_back(b.fma(vectorAt(each.left, i, n), key, sum));
            return next;
          });
      for (auto [each, sum] : llvm::zip_equal(all, sums))
        b.store(vector::ReductionOp::create(b, vector::CombiningKind::ADD, sum,
                                            arith::FastMathFlags::reassoc),
                each.result, {i, j});
    });
  });
}

/// d = v, and for the delta rules the solution of the triangular system.
void ChunkedScan::emitDeltas() {
  Value zero = b.index(0);
  // system(i,j) = -β(i) M(i,j) below the diagonal.
  rows([&](Value i) {
    Value negated = b.sub(b.real(0), b.load(beta, i));
    scaleRow(system, i, paddedSteps, negated);
  });
  // y is free until the outputs: what the state holds for the keys.
  rows([&](Value i) {
    vectors(paddedColumns,
            [&](Value j) { setVector(b.splat(b.real(0), lanes), y, i, j); });
  });
  contract(part(perKey ? fromStart : k, zero, steps, 0, numKeys), state, y);
  rows([&](Value i) {
    Value factor = b.splat(b.load(beta, i), lanes);
    Value p = hasDecay && !perKey ? b.splat(b.load(prefix, {i, zero}), lanes)
                                  : Value();
    vectors(paddedColumns, [&](Value j) {
      Value held = vectorAt(y, i, j);
      if (p)
        held = b.mul(p, held);
      setVector(b.mul(factor, b.sub(vectorAt(d, i, j), held)), d, i, j);
    });
  });
  solve();
}

/// Forward substitution: d(i) += Σ_{j<i} system(i,j) d(j).
void ChunkedScan::solve() {
  for (int64_t begin = 0; begin < steps; begin += kSubBlock) {
    int64_t end = std::min(begin + kSubBlock, steps);
    Value first = b.index(begin);
    if (begin > 0)
      contract(part(system, first, end - begin, 0, begin),
               part(d, b.index(0), begin, 0, paddedColumns),
               part(d, first, end - begin, 0, paddedColumns));
    forColumns([&](Value column, int64_t count) {
      b.loop(first, b.index(end), [&](Value i) {
        auto sums =
            b.reduce(first, i, b.index(1), loadVectors(d, {i}, column, count),
                     [&](Value j, ValueRange carried) {
                       Value factor = b.splat(b.load(system, {i, j}), lanes);
                       SmallVector<Value> next;
                       for (auto [delta, sum] : llvm::zip_equal(
                                loadVectors(d, {j}, column, count), carried))
                         next.push_back(b.fma(factor, delta, sum));
                       return next;
                     });
        storeVectors(sums, d, {i}, column);
      });
    });
  }
}

void ChunkedScan::loadQueries(Value first, Value count, Value output) {
  loadRows(q, paddedKeys, count, keyDim, [&](Value i, Value n) {
    return queryAt(b.addI(first, i), output, n);
  });
}

/// From the scores of q on.
void ChunkedScan::emitOutput(Value first, Value count, Value output) {
  Value zero = b.index(0);
  rows([&](Value i) {
    if (perKey)
      vectors(paddedKeys, [&](Value n) {
        setVector(b.mul(vectorAt(prefix, i, n), vectorAt(q, i, n)), q, i, n);
      });
    else if (hasDecay)
      scaleRow(q, i, paddedKeys, b.load(prefix, {i, zero}));
    vectors(paddedColumns,
            [&](Value j) { setVector(b.splat(b.real(0), lanes), y, i, j); });
  });
  contract(part(q, zero, steps, 0, numKeys), state, y);
  for (int64_t begin = 0; begin < steps; begin += kRowBlock) {
    int64_t end = std::min(begin + kRowBlock, steps);
    contract(part(scores, b.index(begin), end - begin, 0, end),
             part(d, zero, end, 0, paddedColumns),
             part(y, b.index(begin), end - begin, 0, paddedColumns));
  }
  b.loop(zero, count, [&](Value i) {
    storeOutput(b.addI(first, i), output, scale, y, {i});
  });
}

void ChunkedScan::emitStateUpdate() {
  Value zero = b.index(0), last = b.index(steps - 1);
  if (hasDecay && !perKey)
    rows([&](Value j) {
      scaleRow(k, j, paddedKeys, b.load(products, {last, j}));
    });
  if (hasDecay)
    b.loop(zero, keyDim, [&](Value n) {
      scaleRow(state, n, paddedColumns,
               b.load(prefix, {last, perKey ? n : zero}));
    });
  contract(part(perKey ? decayed : k, zero, steps, 0, numKeys), d, state,
           /*transposed=*/true);
}

void ChunkedScan::emitChunk(Value first, Value count) {
  Value zero = b.index(0);
  auto at = [&](Value i) { return b.addI(first, i); };
  loadRows(k, paddedKeys, count, keyDim,
           [&](Value i, Value n) { return keyAt(at(i), n); });
  loadRows(d, paddedColumns, count, valueDim,
           [&](Value i, Value j) { return valueAt(at(i), j); });
  if (hasDecay) {
    loadDecays(first, count);
    emitDecayProducts();
  }
  if (hasBeta) {
    b.loop(zero, count, [&](Value i) { b.store(betaAt(at(i)), beta, i); });
    b.loop(count, b.index(steps),
           [&](Value i) { b.store(b.real(0), beta, i); });
  }
  if (!perKey)
    transpose(k, transposed, paddedSteps, paddedKeys);
  if (perKey && hasBeta)
    rows([&](Value i) {
      vectors(paddedKeys, [&](Value n) {
        setVector(b.mul(vectorAt(prefix, i, n), vectorAt(k, i, n)), fromStart,
                  i, n);
      });
    });
  // With one output head its scores are made along with the system's.
  bool together = hasBeta && getConstantIntValue(outputsPerHead) == 1;
  Scores ofQueries{q, scores}, ofKeys{k, system};
  if (together) {
    loadQueries(first, count, head);
    emitScores({ofKeys, ofQueries});
  } else if (hasBeta) {
    emitScores({ofKeys});
  }
  if (hasBeta)
    emitDeltas();
  forOutputs([&](Value output, Value) {
    if (!together) {
      loadQueries(first, count, output);
      emitScores({ofQueries});
    }
    emitOutput(first, count, output);
  });
  emitStateUpdate();
}

} // namespace

void lowerChunkedScan(ScanOp op, unsigned vectorBits) {
  ChunkedScan(op, vectorBits).lower();
}

} // namespace hybrid
