/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server's binlog files on this host's disk, read by a pool thread: the index, the files, whether
 * a server has them open. Blocking; opens read-only; decides nothing.
 */
#ifndef TANDEM_IO_STORE_BINLOG_FILES_H
#define TANDEM_IO_STORE_BINLOG_FILES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "util/err.h"
#include "wire/binlog_event.h"

#define BINLOG_PATH_MAX 512

/* Paths in the order of the index. The object owns them; release it in any case. */
struct binlog_index {
    char *text;
    char **paths;
    unsigned count;
};
#define BINLOG_INDEX_INIT \
    {                     \
        0                 \
    }

/* The one "*.index" in data_dir whose files are binlogs and not relay logs. ERR_NOTFOUND: none or
 * more than one (the detail names them: the path must then be configured), ERR_IO. */
int binlog_index_find(const char *data_dir, char *ret_path, size_t size,
                      struct errmsg *m) NODISCARD;
/* Relative names are relative to data_dir, the server's working directory. ERR_NOTFOUND, ERR_FORMAT
 * (no entry, or an entry too long), ERR_IO, ERR_NOMEM. */
int binlog_index_read(const char *index, const char *data_dir, struct binlog_index *ret_index,
                      struct errmsg *m) NODISCARD;
void binlog_index_release(struct binlog_index *index);

/* True if a process holds InnoDB's lock on DATA_DIR/ibdata1: a server is running there. False if
 * the file is not there (innodb_data_home_dir elsewhere) or cannot be asked. */
bool binlog_server_is_running(const char *data_dir);

/* Bounds one job's reading. */
struct binlog_budget {
    const atomic_bool *cancel; /* may be NULL */
    uint64_t bytes_left;
};

/*
 * Walks a whole file; on_group is called for each complete group and may end the walk with an
 * error. ret_stat is the file as it was when it was opened. What is wrong with the content is in
 * w->err and not an error of this call. ERR_NOTFOUND, ERR_IO, ERR_CANCELED, ERR_RANGE (budget),
 * ERR_NOMEM.
 */
int binlog_file_walk(const char *path, struct binlog_budget *budget, struct binlog_walk *w,
                     int (*on_group)(void *data, const struct binlog_walk *w), void *data,
                     struct stat *ret_stat, struct errmsg *m) NODISCARD;

#endif
