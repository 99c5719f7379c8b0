/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a cluster of agents is without a leader when the leader's host vanishes: real libraft
 * nodes in one process, all frames of the leader lost from one moment on, as if its link were cut.
 *
 *   raft_failover [runs [nodes [election_timeout_ms [link_delay_ms]]]]    (11 5 150 1)
 *
 * Prints per run, in milliseconds after the cut: the end of the old lease, the new leader's
 * election, and its first lease; then median, minimum and maximum. TANDEM_RAFT_DIR chooses the file
 * system of the logs; the default is /dev/shm, where fsync costs nothing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raft_cluster.h"

#define RUNS_MAX 1000

enum figure { FIGURE_LEASE_END, FIGURE_ELECTED, FIGURE_LEASE, FIGURE_COUNT };

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_summary(const char *name, double *values, unsigned n)
{
    qsort(values, n, sizeof *values, compare);
    (void)printf("%-12s median %7.1f  range %7.1f .. %7.1f ms\n", name, values[n / 2], values[0],
                 values[n - 1]);
}

/* Rank 0 is the next node, 1 the one after it; the rest are no candidates. */
static void rank_after(struct raft_cluster *c, unsigned leader)
{
    for (unsigned i = 0; i < c->n; i++)
        c->m[i].rank = ARBITER_RANK_NONE;
    c->m[(leader + 1) % c->n].rank = 0;
    c->m[(leader + 2) % c->n].rank = 1;
    raft_cluster_rank(c);
}

static bool run_once(struct raft_cluster *c, double *ret_figures, unsigned *ret_wrong)
{
    unsigned old = raft_cluster_elect(c), fresh;
    int64_t cut_us;
    if (old == NODE_NONE)
        return false;
    rank_after(c, old);
    /* Until the beginnings are forgotten; and not in step with the heartbeats. */
    raft_cluster_run(c, 3 * c->timing.election_timeout_us + rand() % c->timing.heartbeat_us);
    if (c->m[old].leads == 0)
        return false;
    raft_cluster_isolate(c, old, true);
    cut_us = raft_cluster_now_us();
    if (!raft_cluster_until(c, raft_cluster_another_leads, &old, CLUSTER_WAIT_MS))
        return false;
    fresh = raft_cluster_leader(c);
    if (!raft_cluster_until(c, raft_cluster_has_lease, &fresh, CLUSTER_WAIT_MS))
        return false;
    ret_figures[FIGURE_LEASE] = (double)(raft_cluster_now_us() - cut_us) / 1000;
    ret_figures[FIGURE_ELECTED] = (double)(c->m[fresh].elected_us - cut_us) / 1000;
    ret_figures[FIGURE_LEASE_END] = (double)(c->m[old].lease_max_us - cut_us) / 1000;
    *ret_wrong += fresh != (old + 1) % c->n;
    raft_cluster_isolate(c, old, false);
    c->m[old].lease_max_us = 0;
    (void)raft_cluster_until(c, raft_cluster_is_deposed, &old, CLUSTER_WAIT_MS);
    return true;
}

int main(int argc, char **argv)
{
    unsigned runs = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 11;
    unsigned nodes = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 5;
    int64_t t_us = (argc > 3 ? strtol(argv[3], NULL, 10) : 150) * 1000;
    struct arbiter_timing timing = arbiter_timing_scaled(ARBITER_PROFILE_FAST, t_us);
    struct raft_cluster *c = calloc(1, sizeof *c);
    double(*figures)[RUNS_MAX] = calloc(FIGURE_COUNT, sizeof *figures);
    unsigned rank[NODES_MAX] = {0}, done = 0, wrong = 0;
    struct errmsg msg = ERRMSG_INIT;
    if (c == NULL || figures == NULL || runs == 0 || runs > RUNS_MAX || nodes < 3 ||
        nodes > NODES_MAX || arbiter_timing_check(&timing, 2, &msg) != 0) {
        (void)fprintf(stderr, "raft_failover [runs [nodes [T ms [link delay ms]]]] %s\n", msg.text);
        return 2;
    }
    for (unsigned i = 1; i < nodes; i++)
        rank[i] = ARBITER_RANK_NONE;
    raft_cluster_open(c, nodes, (1u << nodes) - 1, &timing);
    c->delay_ms = argc > 4 ? strtoul(argv[4], NULL, 10) : 1;
    raft_cluster_start_all(c, rank);
    for (unsigned i = 0; i < runs; i++) {
        double f[FIGURE_COUNT];
        if (!run_once(c, f, &wrong)) {
            (void)printf("run %u: no leader or it was lost before the cut\n", i);
            continue;
        }
        (void)printf("run %3u: old lease ends %6.1f  elected %6.1f  first lease %6.1f\n", i, f[0],
                     f[1], f[2]);
        for (unsigned j = 0; j < FIGURE_COUNT; j++)
            figures[j][done] = f[j];
        done++;
    }
    raft_cluster_close(c);
    (void)printf("T %" PRId64 " ms, %u voters, %u of %u runs, best candidate lost in %u\n",
                 t_us / 1000, nodes, done, runs, wrong);
    if (done > 0) {
        print_summary("lease ends", figures[FIGURE_LEASE_END], done);
        print_summary("elected", figures[FIGURE_ELECTED], done);
        print_summary("first lease", figures[FIGURE_LEASE], done);
    }
    free(figures);
    free(c);
    return 0;
}
