/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's door of one agent: a Unix socket RUN_DIR/agent.sock (mode 0600, owner = the agent)
 * on which each line is a JSON object, a request to the agent or its reply. It knows nothing of
 * what requests mean.
 *
 * Only one agent of a node may run: RUN_DIR/agent.lock is locked (flock) as long as the control is
 * open, and a second agent gets ERR_EXISTS with the pid of the first. Therefore open this before
 * anything that two agents must not share. The lock is the proof that a socket file lying there is
 * a dead one's, which is then replaced.
 *
 * On a connection one request is answered after the other, in order; the next line is read when the
 * reply has been written. Bounds: CONTROL_CONNECTIONS_MAX (the newest is told so and closed),
 * CONTROL_LINE_MAX per request, timeout_ms for a request to arrive, to be answered, and for its
 * reply to be taken. The caller ignores SIGPIPE. What breaks a bound or is no JSON object gets
 * {"ok":false,"text":...} and the connection is closed.
 *
 * Log ids: control-refused, control-accept-failed.
 */
#ifndef TANDEM_IO_CONTROL_CONTROL_H
#define TANDEM_IO_CONTROL_CONTROL_H

#include <stdint.h>

#include <jansson.h>
#include <uv.h>

#include "util/err.h"
#include "util/log.h"

#define CONTROL_CONNECTIONS_MAX 16
#define CONTROL_LINE_MAX 4096
#define CONTROL_SOCKET_NAME "agent.sock"
#define CONTROL_LOCK_NAME "agent.lock"

struct control;

/* Copied by control_open. */
struct control_config {
    uv_loop_t *loop;
    struct log log;
    const char *run_dir; /* its last part is made (mode 0755) if missing */
    uint32_t timeout_ms; /* 0 = 60000 */
};

struct control_callbacks {
    void *data;
    /* The request is valid during the call only. Answer with control_reply(), in the call or later;
     * connection ids are never used twice. */
    void (*on_request)(void *data, uint64_t connection, const json_t *request);
    /* The answer of that connection's request is not wanted any more: the time was over, or the
     * connection broke. At most once per request, never after its control_reply(). May be NULL. */
    void (*on_gone)(void *data, uint64_t connection);
};

/* ERR_EXISTS (another agent runs), ERR_IO, ERR_PERM, ERR_NOMEM. */
int control_open(const struct control_config *config, const struct control_callbacks *callbacks,
                 struct errmsg *msg, struct control **ret_control) NODISCARD;
/* Takes over the reference of `reply` in every case. ERR_NOTFOUND: the operator went away or gave
 * up. */
int control_reply(struct control *control, uint64_t connection, json_t *reply);
/* Open connections are closed; socket file removed, lock given back; done() comes from the loop and
 * `control` is freed then. */
void control_close(struct control *control, void (*done)(void *data), void *data);

#endif
