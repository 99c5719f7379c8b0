/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <time.h>

#include "app/status_parts.h"
#include "core/stake.h"

static void stake_time(int64_t wall_ms, char *buf, size_t size)
{
    time_t s = (time_t)(wall_ms / 1000);
    struct tm tm;
    if (gmtime_r(&s, &tm) == NULL || strftime(buf, size, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
        buf[0] = '\0';
}

/* Of which transactions that is said. */
static void stake_amount(const struct stake_view *v, char *buf, size_t size)
{
    if (v->known)
        (void)snprintf(buf, size, "up to %" PRIu64 " transactions", v->transactions);
    else if (v->grows)
        (void)snprintf(buf, size, "what it committed");
    else
        (void)snprintf(buf, size, "what it alone holds (no other server tells what it has)");
}

static void stake_text(const struct core *core, const struct stake_view *v, char *buf, size_t size)
{
    char since[32];
    char amount[96];
    const char *writer = core_name(core, core->record.writer);
    stake_time(v->since_wall_ms, since, sizeof since);
    stake_amount(v, amount, sizeof amount);
    if (!v->at_stake)
        (void)snprintf(buf, size, "nothing");
    else if (!v->grows)
        (void)snprintf(buf, size,
                       "the loss of %s would lose %s, because no standby is in sync since %s: %s; "
                       "nothing is added under strict, commits wait",
                       writer, amount, since, v->why);
    else
        (void)snprintf(
            buf, size, "the loss of %s would lose %s since %s%s, because no standby is in sync: %s",
            writer, amount, since, v->known ? "" : " (no other server tells what it has)", v->why);
}

json_t *stake_json(const struct core *core)
{
    char text[DETAIL_TEXT_MAX + 256];
    struct stake_view v;
    json_t *o = json_object();
    stake_look(core, &v);
    stake_text(core, &v, text, sizeof text);
    json_put(o, "transactions",
             v.at_stake && !v.known ? json_null() : json_integer((json_int_t)v.transactions));
    json_put(o, "since_wall_ms", v.at_stake ? json_integer(v.since_wall_ms) : json_null());
    json_put(o, "grows", json_boolean(v.grows));
    json_put_name(o, "best", core, v.best);
    json_put_text(o, "why", v.why);
    json_put_text(o, "text", text);
    return o;
}
