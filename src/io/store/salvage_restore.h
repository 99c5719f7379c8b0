/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Undo of a rewind: what a salvage holds is put back behind the cut, so that the binlog is again,
 * byte for byte, what the killed server left. Only before the server's first start after the cut:
 * its recovery has rolled the transactions back then, and a binlog that still names them would be a
 * lie to every replica. Blocking; for the command line.
 *
 * Evidence that no server ran since the cut, all of which must hold:
 *   - nobody holds InnoDB's lock on ibdata1 now;
 *   - the cut file is still the last of the binlog index: a start with a binlog begins a new one;
 *   - it is the same file (inode), ends exactly at the cut, and its flag "in use" is still set: a
 *     start that finds it recovers it and clears the flag;
 *   - none of InnoDB's own files was written after the salvage: a start without a binlog writes
 *     those at least.
 *
 * Happy path of a restore: take InnoDB's lock, so that no server can start meanwhile; look at the
 * evidence; copy the file, the salvaged events and the torn end into BINLOG.tandem-restore beside
 * it, comparing the manifest's SHA-256 on the way; fsync; look again; rename; fsync of the
 * directory. After a crash the file is either the cut or the whole one; a left-over copy is not in
 * the index and is written over by the next attempt. Owner and mode are those of the cut file.
 *
 * Not judged here: whether an agent is about to start the server (the command asks it).
 */
#ifndef TANDEM_IO_STORE_SALVAGE_RESTORE_H
#define TANDEM_IO_STORE_SALVAGE_RESTORE_H

#include "util/err.h"

struct salvage_place {
    const char *dir;          /* of one salvage */
    const char *data_dir;     /* of the server that was rewound */
    const char *binlog_index; /* "" = the one in data_dir */
};

/* 0: it can be restored, as far as can be told without reading its files. ERR_STATE: nothing was
 * cut for it, or a server ran since; ERR_FORMAT (manifest), ERR_NOTFOUND, ERR_IO, ERR_PERM,
 * ERR_NOMEM. *ret_why is a sentence then. */
int salvage_restore_check(const struct salvage_place *p, struct errmsg *ret_why) NODISCARD;
/* Does it. The same errors, and ERR_NOSPC; ERR_FORMAT also for a file that is not what the manifest
 * says. On failure the binlog is as it was, unless
 * *ret_text says that only the last fsync failed. *ret_text also says what was done. */
int salvage_restore(const struct salvage_place *p, struct errmsg *ret_text) NODISCARD;

#endif
