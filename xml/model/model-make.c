/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model-make.h"

#include "model-check.h"
#include "model-xml.h"

VfModel *
vf_model_parse(const char *text, gssize size, const char *file, GError **error)
{
    return vf_model_xml_parse_file(text, size, file, NULL, NULL, NULL, error);
}

static gboolean
is_parameter_of(gconstpointer parameter, gconstpointer name)
{
    return g_str_equal(((const VfParameter *)parameter)->name, name);
}

static gboolean
is_version_of(gconstpointer version, gconstpointer name)
{
    return g_str_equal(((const VfVersion *)version)->name, name);
}

/* Puts copies of what @from has into @self. */
static void
take_schema(VfModel *self, const VfModel *from)
{
    guint at;

    /* a parameter that has the name of an older one takes its place */
    for (guint i = 0; i < from->parameters->len; i++) {
        const VfParameter *parameter = from->parameters->pdata[i];

        if (g_ptr_array_find_with_equal_func(self->parameters, parameter->name, is_parameter_of,
                                             &at))
            g_ptr_array_remove_index(self->parameters, at);
        vf_model_add_parameter(self, vf_parameter_copy(parameter));
    }

    for (guint i = 0; i < from->constraints->len; i++)
        g_ptr_array_add(self->constraints, vf_constraint_copy(from->constraints->pdata[i]));

    /* so does a version; others follow */
    for (guint i = 0; i < from->versions->len; i++) {
        const VfVersion *version = from->versions->pdata[i];

        if (!g_ptr_array_find_with_equal_func(self->versions, version->name, is_version_of, &at)) {
            g_ptr_array_add(self->versions, vf_version_copy(version));
            continue;
        }
        vf_version_free(self->versions->pdata[at]);
        self->versions->pdata[at] = vf_version_copy(version);
    }
    if (from->version_parameter) {
        g_free(self->version_parameter);
        self->version_parameter = g_strdup(from->version_parameter);
    }
}

gboolean
vf_model_complete(VfModel *self, GError **error)
{
    if (!vf_model_finish(self, error) || !vf_model_check_constraints(self, error))
        return FALSE;
    g_free(self->digest);
    self->digest = vf_model_xml_digest(self);
    return TRUE;
}

static VfMatch *
match_copy(const VfMatch *match)
{
    VfMatch *copy = g_memdup2(match, sizeof *match);

    copy->driver = g_strdup(match->driver);
    copy->type = g_strdup(match->type);
    copy->program = g_strdup(match->program);
    return copy;
}

VfModel *
vf_model_extend(const VfModel *self, const VfModel *base, GError **error)
{
    g_autoptr(VfModel) whole = vf_model_new(self->source);

    whole->id = g_strdup(self->id);
    whole->file = g_strdup(self->file);
    whole->description = g_strdup(self->description ?: base->description);
    whole->aliases = g_strdupv(self->aliases);
    whole->not_migratable = g_strdup(self->not_migratable ?: base->not_migratable);
    for (guint i = 0; i < self->matches->len; i++)
        g_ptr_array_add(whole->matches, match_copy(self->matches->pdata[i]));
    take_schema(whole, base);
    take_schema(whole, self);
    return vf_model_complete(whole, error) ? g_steal_pointer(&whole) : NULL;
}
