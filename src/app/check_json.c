/* SPDX-License-Identifier: Apache-2.0 */
#include "app/check_json.h"

#include "app/status_parts.h"

static json_t *check_row_json(const struct check_row *row, enum check_level level,
                              const char *detail)
{
    json_t *o = json_object();
    json_put(o, "id", json_text(row->id));
    json_put(o, "level", json_text(check_level_text(level)));
    json_put(o, "asked", json_text(row->asked));
    json_put_text(o, "detail", detail);
    json_put(o, "why", json_text(row->why));
    json_put(o, "fix", json_text(row->fix));
    return o;
}

static json_t *check_node_json(const struct check_world *w, unsigned node)
{
    json_t *list = json_array();
    json_t *o = json_object();
    for (unsigned i = 0; check_row(i) != NULL; i++) {
        struct errmsg detail = ERRMSG_INIT;
        enum check_level level = check_judge(w, node, i, &detail);
        if (level != CHECK_NONE)
            (void)json_array_append_new(list, check_row_json(check_row(i), level, detail.text));
    }
    json_put(o, "name", json_text(w->cfg->nodes[node].name));
    json_put(o, "checks", list);
    return o;
}

json_t *check_json(const struct check_world *w, uint32_t nodes)
{
    json_t *list = json_array();
    json_t *o = json_object();
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if ((nodes & (1u << i)) != 0)
            (void)json_array_append_new(list, check_node_json(w, i));
    }
    json_put(o, "nodes", list);
    return o;
}
