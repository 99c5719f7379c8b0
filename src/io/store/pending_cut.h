/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cut whose harmlessness is not proven yet, as a small file of its own (STATE_DIR/rewind.json):
 * it has to outlive the agent that cut, and a leader that forgot. Written, and on the disk, before
 * the binlog is truncated; removed when the start after the cut was judged and the node is
 * attached, or when its data is another's or the cluster's own by then. Blocking, each one small
 * file.
 *
 * What is proven, and by what (wire/recovery.h says what the server's messages allow): recovery has
 * rolled back, and committed nothing beyond the cut; MySQL's executed set holds none of the cut
 * transactions; no prepared XA transaction is left.
 */
#ifndef TANDEM_IO_STORE_PENDING_CUT_H
#define TANDEM_IO_STORE_PENDING_CUT_H

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"
#include "wire/gtid.h"
#include "wire/recovery.h"
#include "wire/server.h"

#define PENDING_CUT_PATH_MAX 512
#define PENDING_CUT_GTIDS_MAX 8192

struct pending_cut {
    enum gtid_flavour flavour; /* GTID_MYSQL or GTID_MARIADB */
    char binlog_file[PENDING_CUT_PATH_MAX];
    uint64_t cut;
    uint32_t expected_rollbacks;
    uint64_t error_log_offset; /* the log's size before the cut: what follows is of later starts */
    char gtids[PENDING_CUT_GTIDS_MAX]; /* of the tail */
    bool damaged;                      /* its file could not be read: nothing can be proven */
};

/* ERR_IO, ERR_NOSPC, ERR_PERM, ERR_NOMEM. */
int pending_cut_write(const char *path, const struct pending_cut *p, struct errmsg *m) NODISCARD;
/* ERR_NOTFOUND: none is pending. Of a file that cannot be read or understood it makes a damaged
 * one, and returns 0. */
int pending_cut_read(const char *path, struct pending_cut *ret_pending) NODISCARD;
/* A file that is left behind, because the host died before this was on the disk, is judged again
 * with the same outcome. */
void pending_cut_remove(const char *path);
/* False: the binlog is longer than the cut, so the agent died before it cut. */
bool pending_cut_is_done(const struct pending_cut *p);

/* What recovery says of it; "" if nothing speaks against it, else "recovery-...: sentence". */
void pending_cut_judge(const struct pending_cut *p, const struct recovery_report *r, char *buf,
                       size_t size);
/* The same of a server that runs. NULL facts: it is not known what it has. */
void pending_cut_compare(const struct pending_cut *p, const struct server_facts *f, char *buf,
                         size_t size);

#endif
