/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The raft disk of a simulated host, as a struct raft_io of libraft: term and vote, a log, one
 * snapshot. It belongs to the host, not to its agent: an agent opens it, and when the agent dies
 * the next one finds what had become durable.
 *
 * What is like the real one:
 *  - Every write takes time, drawn from the seed around a base that is the disk's own. Term and
 *    vote block the whole agent for so long (`block`); appends, truncations and snapshots are done
 *    one after the other, and their callbacks come later, when the agent runs (`ready`).
 *  - A write that is interrupted (the agent is killed, the power fails) leaves a prefix of what was
 *    on its way: a part of the entries of one append, and nothing of what comes behind it. A power
 *    cut may also undo a term or vote whose write has not ended.
 *  - A failed write may have reached the disk or not. A full disk refuses appends and snapshots,
 *    and is not opened again; term and vote have their place already.
 *  - Closing lets the write that is running end first.
 *  - A snapshot replaces the one before at once, with the entries that it makes needless.
 *
 * Not here: wrong bytes. libraft's own code checks what it reads; this disk has no bytes to rot.
 */
#ifndef TANDEM_SIM_DISK_H
#define TANDEM_SIM_DISK_H

#include <raft.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/timers.h"
#include "util/err.h"

struct sim_disk;

/* The agent that has opened it. None of these is called after sim_disk_crash(). */
struct sim_disk_user {
    void *data;
    /* The agent stands still for so long from now on. */
    void (*block)(void *data, int64_t us);
    /* sim_disk_deliver() is due, as soon as the agent runs. Once until then. */
    void (*ready)(void *data);
    /* sim_disk_tick() every so many milliseconds of the agent's clock; 0: no more. */
    void (*ticks)(void *data, unsigned every_ms);
};

/* The caller keeps `timers` until sim_disk_free(). */
struct sim_disk *sim_disk_new(struct sim_timers *timers, uint64_t seed);
void sim_disk_free(struct sim_disk *d);
/* Term 1 and a first entry with the configuration, durable. */
void sim_disk_bootstrap(struct sim_disk *d, const struct raft_configuration *conf);

/* Fills *io for one user. 0, ERR_NOSPC. It serves until sim_disk_close(), which comes after the
 * callback of io->close(). */
int sim_disk_open(struct sim_disk *d, const struct sim_disk_user *user, struct raft_io *io,
                  struct errmsg *msg) NODISCARD;
void sim_disk_close(struct raft_io *io);
/* Gives the callbacks of what has ended, and those ticks, to libraft. */
void sim_disk_deliver(struct raft_io *io);
void sim_disk_tick(struct raft_io *io);
/*
 * The user is gone, by itself or with the power: what is on its way is settled as above. The io
 * that was open goes on without a disk, so that the dead agent's memory can be given back: it
 * writes nothing, and ends what is open when it is closed.
 */
void sim_disk_crash(struct sim_disk *d, bool power);

/* Faults, until they are taken back. */
void sim_disk_slow(struct sim_disk *d, int64_t more_us); /* for each write; 0 = as ever */
void sim_disk_fail(struct sim_disk *d, bool fails);
void sim_disk_full(struct sim_disk *d, bool is_full);
bool sim_disk_has_space(const struct sim_disk *d);
/* For another file on it: how much longer a write takes; whether it would succeed. */
int64_t sim_disk_more_us(const struct sim_disk *d);
bool sim_disk_works(const struct sim_disk *d);

/* What is durable, for tests. */
raft_index sim_disk_last_index(const struct sim_disk *d);
raft_index sim_disk_first_index(const struct sim_disk *d); /* of the log; after the last if empty */
raft_index sim_disk_snapshot_index(const struct sim_disk *d);
raft_term sim_disk_term(const struct sim_disk *d, raft_id *ret_voted_for);

#endif
