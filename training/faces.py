"""Animals that are drawn twice, whole and as a face. Who asks for "a horse" takes either, so it is the one that is known well."""


def well_known_faces(records: list[dict]) -> dict[str, str]:
    """Label of the whole animal, which is not common -> label of its face, which is: horse -> horse face."""
    common = {record["base_label"]: record["common"] for record in records}
    faces = {label.removesuffix(" face"): label for label in common if label.endswith(" face") and common[label]}
    return {whole: face for whole, face in faces.items() if common.get(whole) is False}
