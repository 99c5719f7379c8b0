/* SPDX-License-Identifier: Apache-2.0 */
#include "app/web_answer.h"

#include <stdlib.h>
#include <string.h>

#include "app/status_json.h"
#include "app/status_parts.h"

#define WEB_OK 200
#define WEB_BAD 400
#define WEB_UNKNOWN 404
#define WEB_NO 503 /* what a load balancer takes for: not here */
#define WEB_LAG_MAX 1000000

static struct http_answer web_json(unsigned status, json_t *value)
{
    struct http_answer a = {.status = status, .type = "application/json"};
    a.body = value != NULL ? json_dumps(value, JSON_COMPACT) : NULL;
    a.length = a.body != NULL ? strlen(a.body) : 0;
    json_decref(value);
    return a;
}

/* What a human sees of a check; a load balancer looks at the status alone. */
static struct http_answer web_check(const struct core *core, bool good)
{
    unsigned self = core->self;
    const struct report *r = core_report(core, self);
    json_t *o = json_object();
    json_put(o, "node", json_text(core_name(core, self)));
    json_put(o, "role", json_text(status_node_state(core, self)));
    json_put(o, "primary", json_boolean(core_is_published(core)));
    json_put(o, "in_sync", json_boolean(core_is_member(core, self)));
    json_put(o, "health", json_text(server_health_text(core->health.state)));
    json_put(o, "replicating",
             json_boolean(r != NULL && status_has_facts(core, self) &&
                          status_is_replicating(&r->facts)));
    json_put(o, "lag_s",
             r != NULL && r->facts.lag_s >= 0 ? json_integer(r->facts.lag_s) : json_null());
    json_put_name(o, "writer", core, core->record.writer);
    json_put(o, "paused", json_boolean(core->record.paused));
    return web_json(good ? WEB_OK : WEB_NO, o);
}

/* A witness has no server: that its agent answers is all. */
static bool web_is_healthy(const struct core *core)
{
    return !config_node_has_mysql(core->cfg, core->self) || health_is_alive(core->health.state);
}

/* It reads what its source gives it, and is not set aside. */
static bool web_is_replica(const struct core *core)
{
    unsigned self = core->self;
    uint32_t bad = NODE_QUARANTINED | NODE_MAINTENANCE | NODE_RECLONE | NODE_FORMER;
    return config_node_has_mysql(core->cfg, self) && core->record.writer != self &&
           (core->record.flags[self] & bad) == 0 && health_is_good(core->health.state) &&
           status_has_facts(core, self) && status_is_replicating(&core_report(core, self)->facts);
}

static bool web_is_standby(const struct core *core)
{
    return web_is_replica(core) && core_is_member(core, core->self);
}

/* Whole seconds, an `s` may follow. */
static bool web_read_lag(const char *text, long *ret_lag_s)
{
    char *end;
    *ret_lag_s = strtol(text, &end, 10);
    return end != text && (*end == '\0' || strcmp(end, "s") == 0) && *ret_lag_s >= 0 &&
           *ret_lag_s <= WEB_LAG_MAX;
}

static struct http_answer web_replica(const struct core *core, const char *lag)
{
    bool good = web_is_replica(core);
    int32_t now_s = good ? core_report(core, core->self)->facts.lag_s : -1;
    long most_s;
    if (lag == NULL)
        return web_check(core, good);
    if (!web_read_lag(lag, &most_s))
        return web_json(WEB_BAD, reply_json(false, "lag: whole seconds, as in /replica?lag=5"));
    return web_check(core, good && now_s >= 0 && now_s <= most_s);
}

static struct http_answer web_metrics(const struct core *core,
                                      const struct metrics_counters *counters)
{
    struct http_answer a = {.status = WEB_OK, .type = METRICS_TYPE};
    a.body = metrics_text(core, counters, &a.length);
    return a;
}

struct http_answer web_answer(const struct core *core, const struct metrics_counters *counters,
                              const char *path, const char *lag)
{
    struct http_answer a;
    if (strcmp(path, "/health") == 0)
        a = web_check(core, web_is_healthy(core));
    else if (strcmp(path, "/primary") == 0)
        a = web_check(core, core_is_published(core));
    else if (strcmp(path, "/standby") == 0)
        a = web_check(core, web_is_standby(core));
    else if (strcmp(path, "/replica") == 0)
        a = web_replica(core, lag);
    else if (strcmp(path, "/cluster") == 0)
        a = web_json(WEB_OK, status_json(core));
    else if (strcmp(path, "/history") == 0)
        a = web_json(WEB_OK, history_json(core));
    else if (strcmp(path, "/metrics") == 0)
        a = web_metrics(core, counters);
    else
        a = web_json(WEB_UNKNOWN,
                     reply_json(false, "known: /health /primary /standby /replica?lag=SECONDS "
                                       "/cluster /history /metrics"));
    if (a.body == NULL)
        a = (struct http_answer){.status = WEB_NO, .type = "text/plain"};
    return a;
}
