/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One server as a shadow sees it (app/shadow_world.h): what was really read from it, dressed as it
 * would look if Tandem had set it up. What tells whether it lives, whom it follows, what it holds
 * and whether its threads run is real; what Tandem would have set (read-only, sides of semi-sync)
 * is assumed, and follows what the core would have done. Jobs change the assumption alone. Pure.
 */
#ifndef TANDEM_APP_SHADOW_SERVER_H
#define TANDEM_APP_SHADOW_SERVER_H

#include <stdbool.h>

#include "wire/job.h"
#include "wire/server.h"

enum shadow_part { SHADOW_OTHER, SHADOW_WRITER, SHADOW_MEMBER };

struct shadow_server {
    bool have;    /* `seen` was read in this run of it */
    bool answers; /* to the last probe */
    bool rests;   /* it has executed nothing between the last two probes */
    bool alive;   /* somebody listens there, as far as can be told from afar */
    int64_t seen_us;
    struct incarnation incarnation; /* counted: the process itself cannot be seen */
    struct server_facts seen;

    enum shadow_part part; /* at the beginning of what is assumed */
    bool read_only;
    bool source_side;
    bool replica_side;
    uint32_t count;
    bool sealed;
    bool forgotten; /* without a channel */
    bool moved;     /* it would follow `host`, and really does not */
    char host[ADDRESS_TEXT_MAX];
    uint16_t port;
};

/* Begins the assumption anew. members: of the in-sync set. */
void shadow_server_assume(struct shadow_server *s, enum shadow_part part, unsigned members);
/* As Tandem would find it. Nothing was read yet: all zero. */
void shadow_server_facts(const struct shadow_server *s, struct server_facts *ret_facts);
/* Does nothing but change the assumption. What cannot be assumed (processes, files, copies) fails
 * and says so. A DRAIN that is not over is JOB_TIMEOUT: ask again. */
void shadow_server_do(struct shadow_server *s, const struct job *job,
                      struct job_result *ret_result);

/* What a job would have been, for people: "would have made m3 follow 172.17.0.11". */
const char *shadow_job_text(const struct job *job, const char *name, char *buf, size_t size);

#endif
