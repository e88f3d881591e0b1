/* What this machine can do at most: limits [THREADS] prints one JSON object.
 *
 *   read_gb_per_second  reading 1 GiB, once through, best of several passes
 *   fma_gflops          float32 multiply-adds on registers only (2 operations)
 *
 * cc -O3 -march=native -ffp-contract=fast -pthread limits.c -o limits
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
#define LANES (VECTOR_BYTES / 4)
typedef float Floats __attribute__((vector_size(VECTOR_BYTES)));
typedef uint64_t Words __attribute__((vector_size(VECTOR_BYTES)));

enum { PASSES = 9, MAX_THREADS = 256, ROUNDS = 4000000, CHAINS = 12 };
static const size_t total_bytes = (size_t)1 << 30;

typedef struct {
  const char *begin;
  size_t bytes;
  volatile uint64_t sink; /* keeps the work alive */
} Task;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *read_all(void *argument) {
  Task *task = argument;
  const Words *words = (const Words *)task->begin;
  const size_t count = task->bytes / sizeof(Words);
  Words sums[8];
  memset(sums, 0, sizeof(sums));
  for (size_t i = 0; i + 8 <= count; i += 8)
    for (int j = 0; j < 8; ++j)
      sums[j] ^= words[i + (size_t)j];
  for (int j = 1; j < 8; ++j)
    sums[0] ^= sums[j];
  task->sink = sums[0][0];
  return NULL;
}

/* Twelve independent chains cover the latency of two units. */
#define EACH(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11)

static void *multiply_add(void *argument) {
  Task *task = argument;
  volatile float seed = 0.5f; /* unknown to the compiler */
  const Floats factor = (Floats){0} + seed, term = (Floats){0} + seed;
#define DECLARE(i) Floats c##i = term + (float)i;
  EACH(DECLARE)
  for (int round = 0; round < ROUNDS; ++round) {
#define STEP(i) c##i = c##i * factor + term;
    EACH(STEP)
  }
#define COLLECT(i) +c##i
  const Floats sum = (Floats){0} EACH(COLLECT);
  task->sink = (uint64_t)sum[0];
  return NULL;
}

/* The shortest time that all threads need together, in seconds. */
static double best_time(void *(*work)(void *), Task *tasks, int threads) {
  double best = 1e30;
  for (int pass = 0; pass < PASSES; ++pass) {
    pthread_t ids[MAX_THREADS];
    const double begin = now();
    for (int i = 1; i < threads; ++i)
      if (pthread_create(&ids[i], NULL, work, &tasks[i]))
        exit(1);
    work(&tasks[0]);
    for (int i = 1; i < threads; ++i)
      pthread_join(ids[i], NULL);
    const double time = now() - begin;
    best = time < best ? time : best;
  }
  return best;
}

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : (int)sysconf(_SC_NPROCESSORS_ONLN);
  if (threads < 1 || threads > MAX_THREADS) {
    fprintf(stderr, "usage: limits [THREADS], 1 to %d\n", MAX_THREADS);
    return 2;
  }
  char *memory = mmap(NULL, total_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    perror("limits");
    return 1;
  }
  madvise(memory, total_bytes, MADV_HUGEPAGE);
  memset(memory, 1, total_bytes);

  Task tasks[MAX_THREADS];
  const size_t share = total_bytes / (size_t)threads / 4096 * 4096;
  for (int i = 0; i < threads; ++i)
    tasks[i] = (Task){memory + share * (size_t)i, share, 0};
  const double read = best_time(read_all, tasks, threads);
  const double fma = best_time(multiply_add, tasks, threads);
  printf("{\"threads\": %d, \"read_gb_per_second\": %.2f, "
         "\"fma_gflops\": %.1f}\n",
         threads, (double)share * threads / read * 1e-9,
         2.0 * LANES * CHAINS * (double)ROUNDS * threads / fma * 1e-9);
  return 0;
}
