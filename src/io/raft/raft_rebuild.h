/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A quorum whose majority is lost for good, begun anew from the directory of one node that is left:
 * its log stays, and gets a configuration in which this node alone votes. Not for a running agent.
 *
 * What others have committed and this directory does not hold is given up; nothing here can tell
 * whether there was any. Whoever belonged to the quorum before must never speak for it again: the
 * generation is part of the identity, and the transport refuses agents of another one.
 */
#ifndef TANDEM_IO_RAFT_RAFT_REBUILD_H
#define TANDEM_IO_RAFT_RAFT_REBUILD_H

#include "io/raft/raft_dir.h"

struct raft_rebuild {
    uint32_t generation; /* the new one; higher than the identity's */
    uint64_t term;       /* the log goes on with this term at least: above any that was seen */
};

/*
 * 0 also if the directory is of that generation already (it was interrupted behind the last step).
 * May be repeated after a failure at any point. ERR_NOTFOUND (no identity or no log), ERR_STATE
 * (another cluster or node), ERR_IO, ERR_NOSPC, ERR_FORMAT (the log cannot be read).
 */
int raft_rebuild(const struct raft_dir_seed *seed, const struct raft_rebuild *rebuild,
                 struct errmsg *msg) NODISCARD;

#endif
