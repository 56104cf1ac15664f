/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "explain.h"

#include <glib/gi18n-lib.h>

#include "model-view.h"
#include "text-view.h"

/* A parameter, from wherever it is known. Owns nothing. */
typedef struct {
    const char *name;
    VfCompareRule rule;
    gboolean enforced;
    const char *off;         /* nullable */
    const char *description; /* nullable */
    const char *reading;     /* how its value is read; NULL: not at all */
} Trait;

VfExplanation *
vf_explanation_new(void)
{
    VfExplanation *self = g_new0(VfExplanation, 1);

    self->sentences = g_ptr_array_new_with_free_func(g_free);
    self->parameters = json_array_new();
    return self;
}

void
vf_explanation_free(VfExplanation *self)
{
    g_ptr_array_unref(self->sentences);
    json_array_unref(self->parameters);
    g_free(self);
}

static void say(VfExplanation *self, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
say(VfExplanation *self, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list values;

    va_start(values, format);
    text = g_strdup_vprintf(format, values);
    va_end(values);
    g_ptr_array_add(self->sentences, vf_text_printable(text));
}

/* --- parameters --- */

static JsonObject *
note_parameter(VfExplanation *self, const Trait *trait)
{
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "name", trait->name);
    json_object_set_string_member(object, "compare", vf_parameter_compare_to_string(trait->rule));
    json_object_set_boolean_member(object, "counts", trait->rule != VF_COMPARE_IGNORE);
    json_object_set_boolean_member(object, "enforced", trait->enforced);
    json_object_set_boolean_member(object, "readable", trait->reading != NULL);
    json_array_add_object_element(self->parameters, object);
    return object;
}

/* What its rule asks, for the end of a sentence. Free with g_free(). */
static char *
describe_rule(const Trait *trait)
{
    if (trait->enforced || trait->rule == VF_COMPARE_IGNORE)
        return g_strdup(vf_model_view_rule(trait->rule));
    return g_strdup_printf(_("%s, which the device itself does not check"),
                           vf_model_view_rule(trait->rule));
}

/* TRUE when it is one that makes a comparison unknown. */
static gboolean
explain_value(VfExplanation *self, const Trait *trait, const VfValue *value)
{
    JsonObject *object = note_parameter(self, trait);
    g_autofree char *rule = describe_rule(trait);

    if (!value || !value->value) {
        json_object_set_null_member(object, "value");
        if (trait->rule == VF_COMPARE_IGNORE)
            return FALSE;
        if (trait->reading)
            say(self, _("  %s is unknown: what its descriptor reads has not said it; %s."),
                trait->name, rule);
        else
            say(self, _("  %s is unknown: nothing on this host can read it; %s."), trait->name,
                rule);
        return TRUE;
    }
    json_object_set_string_member(object, "value", value->value);
    if (value->evidence)
        json_object_set_string_member(object, "evidence", value->evidence);
    if (g_strcmp0(trait->off, value->value) == 0)
        say(self, _("  %s is %s (%s), which is off: as if the device did not have it."),
            trait->name, value->value, vf_model_view_evidence(value->evidence));
    else
        say(self, _("  %s is %s (%s); %s."), trait->name, value->value,
            vf_model_view_evidence(value->evidence), rule);
    return trait->rule == VF_COMPARE_FIRMWARE;
}

static VferryParameter *
find_remote(GPtrArray *parameters, const char *name)
{
    for (guint i = 0; parameters && i < parameters->len; i++)
        if (g_strcmp0(vferry_parameter_get_name(parameters->pdata[i]), name) == 0)
            return parameters->pdata[i];
    return NULL;
}

/* --- a device --- */

static const char *
describe_kind(const char *kind)
{
    if (g_str_equal(kind, "mdev"))
        return _("a mediated device");
    if (g_str_equal(kind, "pci"))
        return _("a PCI function");
    return g_str_equal(kind, "vfio-user") ? _("a vfio-user device") : kind;
}

static const VfCapabilitiesParent *
find_parent(const VfCapabilities *host, const char *id)
{
    for (guint i = 0; id && i < host->parents->len; i++) {
        const VfCapabilitiesParent *parent = host->parents->pdata[i];
        if (g_str_equal(parent->id, id))
            return parent;
    }
    return NULL;
}

static void
explain_place(VfExplanation *self, const VfCapabilities *host, const VfCapabilitiesDevice *device)
{
    const VfCapabilitiesParent *parent = find_parent(host, device->parent);

    if (parent && parent->driver)
        say(self, _("%s is %s on the parent %s (driver %s), in the state “%s”."), device->id,
            describe_kind(device->kind), parent->id, parent->driver, device->state);
    else if (parent)
        say(self, _("%s is %s on the parent %s, in the state “%s”."), device->id,
            describe_kind(device->kind), parent->id, device->state);
    else
        say(self, _("%s is %s, in the state “%s”."), device->id, describe_kind(device->kind),
            device->state);
}

static const char *
describe_source(const char *source)
{
    if (g_strcmp0(source, VF_MODEL_SOURCE_KERNEL) == 0)
        return _("the kernel driver says so in sysfs");
    if (g_strcmp0(source, VF_MODEL_SOURCE_PROGRAM) == 0)
        return _("its program says so");
    return _("a descriptor file says so");
}

static void
explain_values(VfExplanation *self, const VfModel *model, GPtrArray *values,
               VferryModel *descriptor)
{
    g_autoptr(GPtrArray) remote = descriptor ? vferry_model_list_parameters(descriptor) : NULL;
    gboolean unknown = FALSE;

    if (model->parameters->len == 0) {
        say(self, _("It has no parameters: one device of this model is like any other."));
        return;
    }
    say(self, _("What decides where its state can be loaded:"));
    for (guint i = 0; i < model->parameters->len; i++) {
        const VfParameter *parameter = model->parameters->pdata[i];
        VferryParameter *known = find_remote(remote, parameter->name);
        const Trait trait = {
            parameter->name,        parameter->compare,
            parameter->enforced,    parameter->off,
            parameter->description, known && vferry_parameter_is_readable(known) ? "" : NULL,
        };

        if (explain_value(self, &trait, vf_value_list_find(values, parameter->name)))
            unknown = TRUE;
    }
    if (unknown)
        say(self, _("What is unknown, or only firmware can say, makes a comparison unknown: then "
                    "only trying tells."));
    else
        say(self, _("All that counts is known: a comparison will say yes or no."));
}

static void
explain_migration(VfExplanation *self, const VfCapabilitiesDevice *device)
{
    static const struct {
        VfCapabilitiesMigration flag;
        const char *name;
    } all[] = {
        {VF_CAPABILITIES_STOP_COPY, "stop-copy"},
        {VF_CAPABILITIES_P2P, "p2p"},
        {VF_CAPABILITIES_PRE_COPY, "pre-copy"},
    };
    g_autoptr(GString) flags = g_string_new(NULL);

    if (g_str_equal(device->migration_source, "unknown")) {
        say(self,
            _("Nobody has looked whether its driver can migrate it. “vferryctl probe %s” "
              "does; it opens the device, which resets it."),
            device->id);
        return;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(all); i++)
        if (device->migration & all[i].flag)
            g_string_append_printf(flags, "%s%s", flags->len ? ", " : "", all[i].name);
    if (flags->len > 0)
        say(self, _("Its driver can migrate it (%s; known from %s)."), flags->str,
            device->migration_source);
    else
        say(self, _("Its driver cannot migrate it (known from %s)."), device->migration_source);
}

static gboolean
cannot_migrate(const VfCapabilitiesDevice *device)
{
    return device->migration == 0 && !g_str_equal(device->migration_source, "unknown");
}

/* What the parent's offers of the same model say of who can use such a device. */
static char *const *
usable_by(const VfCapabilities *host, const VfCapabilitiesDevice *device)
{
    const VfCapabilitiesParent *parent = find_parent(host, device->parent);

    for (guint i = 0; parent && device->model && i < parent->offers->len; i++) {
        const VfCapabilitiesOffer *offer = parent->offers->pdata[i];
        if (g_strcmp0(offer->model, device->model) == 0)
            return offer->usable_by;
    }
    return NULL;
}

static void
explain_consumers(VfExplanation *self, const VfCapabilities *host,
                  const VfCapabilitiesDevice *device)
{
    static const VfConsumerKind kinds[] = {VF_CONSUMER_VFIO, VF_CONSUMER_QEMU, VF_CONSUMER_LIBVIRT};
    const VfConsumerDevice what = {.kind = device->kind, .usable_by = usable_by(host, device)};
    g_autoptr(GString) can = g_string_new(NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        const VfConsumer consumer = {.kind = kinds[i]};
        g_autofree char *sentence = NULL;

        if (vf_consumer_check(&consumer, &what, &sentence))
            say(self, "%s", sentence);
        else
            g_string_append_printf(can, "%s%s", can->len ? ", " : "",
                                   vf_consumer_kind_to_string(kinds[i]));
    }
    if (can->len > 0)
        say(self, _("Who can use and migrate such a device, if new enough: %s."), can->str);
}

void
vf_explain_device(VfExplanation *self, const VfCapabilities *host,
                  const VfCapabilitiesDevice *device, VferryModel *descriptor)
{
    const VfModel *model = device->model ? vf_capabilities_find_model(host, device->model) : NULL;

    explain_place(self, host, device);
    if (device->being_removed) {
        say(self,
            _("It is being removed: it goes when whoever has it open closes it, and the kernel "
              "does not tell its type any more. Whether its state has left is in its job: "
              "“vferryctl jobs”."));
        return;
    }
    if (!model) {
        say(self, _("Nobody there knows its model: no descriptor matches it, and its driver does "
                    "not say. So nothing can be said of its state, and it cannot be migrated. A "
                    "descriptor in /etc/vferry/models would tell; “vferryctl models check” checks "
                    "one."));
        return;
    }
    if (model->description)
        say(self, _("It is of the model %s (%s): %s."), model->id, describe_source(model->source),
            model->description);
    else
        say(self, _("It is of the model %s (%s)."), model->id, describe_source(model->source));
    if (model->not_migratable)
        say(self, _("No device of this model can be migrated: %s"), model->not_migratable);
    explain_values(self, model, device->values, descriptor);
    if (!model->not_migratable)
        explain_migration(self, device);
    if (!model->not_migratable && !cannot_migrate(device))
        explain_consumers(self, host, device);
}

/* --- a model --- */

/* NULL: not at all. Free with g_free(). */
static char *
describe_reader(const VfReader *reader)
{
    switch (reader->kind) {
    case VF_READER_TYPE_NAME:
        return g_strdup(_("from the device's type"));
    case VF_READER_ATTRIBUTE:
        return g_strdup_printf(_("from the attribute %s of the %s in sysfs"), reader->attribute,
                               vf_reader_of_to_string(reader->of));
    case VF_READER_PCI_CONFIG:
        return g_strdup_printf(_("from the PCI configuration space at 0x%x"), reader->offset);
    case VF_READER_UDEV_PROPERTY:
        return g_strdup_printf(_("from the udev property %s"), reader->property);
    case VF_READER_NONE:
    default:
        return NULL;
    }
}

static void
explain_trait(VfExplanation *self, const Trait *trait)
{
    g_autofree char *rule = describe_rule(trait);
    const char *description = trait->description ? trait->description : "";

    (void)note_parameter(self, trait);
    if (trait->reading && *trait->reading)
        say(self, _("  %s: %s%s%s; it is read %s."), trait->name, description,
            *description ? "; " : "", rule, trait->reading);
    else if (trait->reading)
        say(self, _("  %s: %s%s%s; it can be read."), trait->name, description,
            *description ? "; " : "", rule);
    else
        say(self, _("  %s: %s%s%s; nothing can read it, so that it is always unknown."),
            trait->name, description, *description ? "; " : "", rule);
}

/* As lspci writes it; a part that may be anything is a “*”. Free with g_free(). */
static char *
describe_pci_pair(int vendor, int device)
{
    g_autofree char *first = vendor < 0 ? g_strdup("*") : g_strdup_printf("%04x", (guint)vendor);
    g_autofree char *second = device < 0 ? g_strdup("*") : g_strdup_printf("%04x", (guint)device);

    return g_strdup_printf("%s:%s", first, second);
}

static char *
describe_pci(const VfMatch *match)
{
    g_autofree char *id = describe_pci_pair(match->pci.vendor, match->pci.device);
    g_autofree char *subsystem =
        describe_pci_pair(match->pci.subsystem_vendor, match->pci.subsystem_device);

    if (match->pci.subsystem_vendor < 0 && match->pci.subsystem_device < 0)
        return g_steal_pointer(&id);
    return g_strdup_printf(_("%s (subsystem %s)"), id, subsystem);
}

static void
explain_match(VfExplanation *self, const VfMatch *match)
{
    g_autofree char *id = match->kind == VF_MATCH_PCI ? describe_pci(match) : NULL;

    switch (match->kind) {
    case VF_MATCH_MDEV:
        say(self, _("Mediated devices of the types “%s” of %s are of it."), match->type,
            match->driver);
        break;
    case VF_MATCH_PCI:
        if (match->driver)
            say(self, _("PCI functions %s are of it while the driver %s is bound to them."), id,
                match->driver);
        else
            say(self, _("PCI functions %s are of it."), id);
        break;
    case VF_MATCH_VFIO_USER:
    default:
        say(self, _("vfio-user devices of the programs “%s” are of it."), match->program);
        break;
    }
}

static void
explain_head(VfExplanation *self, const char *id, const char *description,
             const char *not_migratable)
{
    if (description && *description)
        say(self, _("%s is a model: %s."), id, description);
    else
        say(self, _("%s is a model."), id);
    if (not_migratable && *not_migratable)
        say(self, _("No device of this model can be migrated: %s"), not_migratable);
}

void
vf_explain_model(VfExplanation *self, const VfModel *model)
{
    g_autoptr(GString) versions = g_string_new(NULL);

    explain_head(self, model->id, model->description, model->not_migratable);
    for (guint i = 0; i < model->matches->len; i++)
        explain_match(self, model->matches->pdata[i]);
    for (guint i = 0; i < model->versions->len; i++) {
        const VfVersion *version = model->versions->pdata[i];
        g_string_append_printf(versions, "%s%s", i > 0 ? ", " : "", version->name);
    }
    if (versions->len > 0)
        say(self, _("It has versions, from old to new: %s."), versions->str);
    if (model->parameters->len > 0)
        say(self, _("What decides where the state of such a device can be loaded:"));
    for (guint i = 0; i < model->parameters->len; i++) {
        const VfParameter *parameter = model->parameters->pdata[i];
        g_autofree char *reading = describe_reader(&parameter->reader);

        explain_trait(self, &(Trait){parameter->name, parameter->compare, parameter->enforced,
                                     parameter->off, parameter->description, reading});
    }
}

void
vf_explain_remote_model(VfExplanation *self, VferryModel *model)
{
    g_autoptr(GPtrArray) parameters = vferry_model_list_parameters(model);

    explain_head(self, vferry_model_get_id(model), vferry_model_get_description(model),
                 vferry_model_get_not_migratable(model));
    if (parameters->len > 0)
        say(self, _("What decides where the state of such a device can be loaded:"));
    for (guint i = 0; i < parameters->len; i++) {
        VferryParameter *parameter = parameters->pdata[i];
        Trait trait = {
            vferry_parameter_get_name(parameter),
            VF_COMPARE_EQUAL,
            vferry_parameter_is_enforced(parameter),
            vferry_parameter_get_off(parameter),
            vferry_parameter_get_description(parameter),
            vferry_parameter_is_readable(parameter) ? "" : NULL,
        };

        (void)vf_parameter_compare_from_string(vferry_parameter_get_compare(parameter),
                                               &trait.rule);
        explain_trait(self, &trait);
    }
}
