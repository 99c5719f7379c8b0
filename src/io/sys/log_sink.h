/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the log records of util/log.h go: to the journal with fields if stderr is the journal's
 * (JOURNAL_STREAM names stderr's device and inode), else one line each to stderr:
 *
 *   2026-11-22T21:00:00.123456Z notice event-id a sentence key=value key='two words'
 *
 * In the journal each record has MESSAGE (sentence and pairs), PRIORITY, EVENT, NODE, CLUSTER and
 * one field TANDEM_KEY per key=value pair.
 *
 * Never blocks: what the reader does not take at once is dropped and counted, and the next record
 * that gets through is followed by `log-dropped`. Control characters (a line break out of a
 * server's error text) become blanks, so one record is one line. Nothing is allocated; the caller
 * embeds the struct. Not for threads: only the loop's thread writes.
 */
#ifndef TANDEM_IO_SYS_LOG_SINK_H
#define TANDEM_IO_SYS_LOG_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "util/log.h"
#include "wire/config.h"

#define LOG_SINK_LINE_MAX 2048 /* below PIPE_BUF: a line goes into a pipe whole or not at all */

struct log_sink_config {
    enum log_level level; /* below it: not written */
    const char *cluster;
    const char *node;
    int fd;                     /* normally STDERR_FILENO */
    const char *journal_stream; /* getenv("JOURNAL_STREAM"); NULL = fd is not the journal */
    const char *journal_socket; /* NULL = the system's */
};

struct log_sink {
    enum log_level level;
    int fd;
    bool own_fd;
    bool is_socket;
    int journal; /* connected to the journal; -1 = lines to fd */
    uint64_t dropped;
    uint64_t dropped_told;
    char cluster[CLUSTER_NAME_MAX];
    char node[NODE_NAME_MAX];
};

/* Cannot fail: without journal it is stderr, without stderr every record is a drop. */
void log_sink_open(struct log_sink *sink, const struct log_sink_config *config);
void log_sink_close(struct log_sink *sink);
/* What adapters are given; valid as long as the sink. */
struct log log_sink_log(struct log_sink *sink);
/* Records dropped so far. */
uint64_t log_sink_dropped(const struct log_sink *sink);
/* debug, info, notice, warning, error */
const char *log_level_text(enum log_level level);

#endif
