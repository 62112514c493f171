"""A reading as HL7 FHIR resources, for systems that know no DICOM."""
