/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The copying process (io/clone/clone_job.h says why it is one): everything about copies that takes
 * long or blocks. The agent starts this same program with COPY_CHILD_WORD as its only argument and
 * an order on its standard input; the answer is lines for clone_line() on its standard output.
 */
#ifndef TANDEM_APP_COPY_CHILD_H
#define TANDEM_APP_COPY_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "io/clone/clone_dir.h"
#include "io/clone/clone_pipe.h"
#include "wire/config.h"

#define COPY_CHILD_WORD "copy-child"
#define COPY_SECRET_MAX 256

enum copy_kind {
    COPY_GIVE,        /* be the donor: mariadb-backup to whom connects */
    COPY_TAKE,        /* be the recipient: what the donor sends, prepared */
    COPY_TAKE_SERVER, /* be the recipient: the local MySQL's CLONE, or that of one for the copy */
    COPY_PLACE,
    COPY_ADOPTED,
    COPY_CLEAR,
    COPY_KIND_COUNT
};

/* From a process to a copy of itself: as it lies in memory. */
struct copy_order {
    uint32_t size; /* of this struct: another build's is refused */
    int kind;      /* enum copy_kind */
    char cluster[CLUSTER_NAME_MAX];
    struct config_tls tls;
    char self[NODE_NAME_MAX];
    char other[NODE_NAME_MAX];
    char address[ADDRESS_TEXT_MAX]; /* to listen on, or of the donor */
    uint16_t port;
    char data_dir[PATH_TEXT_MAX];
    char log_bin[PATH_TEXT_MAX];
    char error_log[PATH_TEXT_MAX];
    char work_dir[PATH_TEXT_MAX]; /* for temporary files and the log of the programs */
    char socket[PATH_TEXT_MAX];
    char copy_command[COMMAND_TEXT_MAX];
    char user[USER_TEXT_MAX];
    char password[COPY_SECRET_MAX];
    char replication_user[USER_TEXT_MAX];
    char replication_password[COPY_SECRET_MAX];
    uint64_t expected; /* bytes */
    uint32_t rate_mb;  /* per second; 0 = no limit */
    uint32_t free_min_mb;
    uint32_t timeout_ms; /* of a whole copy */
    int old;             /* enum clone_old */
};

/* Of main(): the exit status. */
int copy_child_main(void);

/* For its own files. Each returns 0 or has set the message. */
void copy_tell(const char *fmt, ...) PRINTF_LIKE(1, 2);
int copy_give(const struct copy_order *o, struct errmsg *m) NODISCARD;
int copy_take(const struct copy_order *o, const struct clone_dir *d, struct errmsg *m) NODISCARD;
int copy_take_server(const struct copy_order *o, const struct clone_dir *d,
                     struct errmsg *m) NODISCARD;
/* A MySQL server without anything of its own, for a copy where the node's cannot: made in the
 * copy's directory, reached by a socket there as root without a password, not from the network.
 * Blocks until it lets in. It dies with this process; to be ended by copy_spare_end. */
int copy_spare_start(const struct copy_order *o, const struct clone_dir *d,
                     struct clone_pipe *ret_server, char ret_socket[CLONE_PATH_MAX],
                     struct errmsg *m) NODISCARD;
void copy_spare_end(const struct clone_dir *d, struct clone_pipe *server);
/* Of what the programs say. */
void copy_log_path(const struct copy_order *o, char ret_path[CLONE_PATH_MAX]);
/* Refuses if the file system of the data directory has no room for so many bytes. */
int copy_check_room(const struct copy_order *o, const struct clone_dir *d, uint64_t bytes,
                    struct errmsg *m) NODISCARD;

#endif
